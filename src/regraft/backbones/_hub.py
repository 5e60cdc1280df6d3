"""Networks of Hugging Face by name or folder: opened without running code that came with them."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from regraft.backbones._reach import opened
from regraft.core.errors import UserError
from regraft.core.extras import missing

_LACKING = 0.1
"""Share of a network's weights that may be missing: heads and poolers, which are not used."""


def open_config(arch: str) -> Any:
    """The library's configuration of a network.

    Raises:
        UserError: it is not on this machine and the hub cannot be reached, or it is not a network.
    """
    return _told(lambda: _library().AutoConfig.from_pretrained(arch, trust_remote_code=False), arch)


def open_network(arch: str, config: Any, pretrained: bool) -> Any:
    """The library's network without a head, in fp32: trained, or random by its configuration.

    Raises:
        UserError: as `open_config`; or its weights are missing, carry code, or belong to another network.
    """
    model = _library().AutoModel
    if not pretrained:
        return _told(lambda: model.from_config(config, trust_remote_code=False), arch).float()
    network, found = _told(lambda: model.from_pretrained(arch, trust_remote_code=False, output_loading_info=True), arch)
    missing = sorted(name for name in found["missing_keys"] if "pooler" not in name)
    if len(missing) > _LACKING * len(network.state_dict()):
        raise UserError(
            f"the weights of {arch!r} belong to another network than its config.json describes: they lack "
            f"{len(missing)} tensors, the first {missing[0]!r}; bring the two files that were saved together"
        )
    return network.float()


def open_processor(arch: str, auto: str) -> Any:
    """What prepares a network's inputs; ``auto``: the library's class that opens it.

    Raises:
        UserError: as `open_config`; or its file is missing in a folder.
    """
    if Path(arch).is_dir() and not (Path(arch) / "preprocessor_config.json").is_file():
        raise UserError(f"the folder {arch} does not say what its network wants; bring its preprocessor_config.json")
    return _told(lambda: getattr(_library(), auto).from_pretrained(arch, trust_remote_code=False), arch)


def reads_text(config: Any) -> bool:
    """Whether a network takes text and nothing else."""
    network = _library().MODEL_MAPPING.get(type(config), None)
    return getattr(network, "main_input_name", "") == "input_ids" and not hasattr(config, "vision_config")


def _library() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise missing("hf") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _told(load: Callable[[], Any], arch: str) -> Any:
    try:
        return opened(load)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"the weights in {arch} hold more than plain tensors, and loading them could run code in them; "
            "ask their author for a model.safetensors"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if Path(arch).is_dir():
            said = str(error).strip().splitlines()[0][:200]
            if "mismatched" in said:
                said = "its weights have other shapes than its config.json says"
            raise UserError(
                f"the folder {arch} is not a network that transformers can read ({said}); copy its files again"
            ) from error
        raise UserError(
            f"{arch!r} is not on this machine and its hub cannot be reached; bring its files (config.json, "
            f"model.safetensors and the tokenizer's) in a folder and name that: hf:path/to/folder"
        ) from error
