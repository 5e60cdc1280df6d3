"""What all networks of Hugging Face have in common: the library, its errors in one sentence, and parts by depth."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from regraft.core.errors import UserError


def library() -> Any:
    """The library transformers, quiet.

    Raises:
        UserError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise UserError("hf: sources need the extra 'hf': pip install 'regraft[hf]'") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def config_of(arch: str) -> Any:
    """The configuration of the network ``arch``.

    Raises:
        UserError: as `told`.
    """
    return told(lambda: library().AutoConfig.from_pretrained(arch, trust_remote_code=False), arch)


def network_of(arch: str, config: Any, pretrained: bool) -> Any:
    """The network ``arch`` as ``config`` says, without a head; with its weights, or untrained.

    Raises:
        UserError: as `told`.
    """
    auto = library().AutoModel
    if pretrained:
        return told(lambda: auto.from_pretrained(arch, config=config, trust_remote_code=False), arch).float()
    return told(lambda: auto.from_config(config, trust_remote_code=False), arch).float()


def told(load: Callable[[], Any], arch: str) -> Any:
    """What ``load`` gives.

    Raises:
        UserError: ``arch`` is not on this machine and the hub cannot be reached, or it is not a network.
    """
    try:
        return load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if Path(arch).is_dir():
            said = str(error).strip().splitlines()[0][:200]
            raise UserError(f"the folder {arch} is not a network that transformers can read: {said}") from error
        raise UserError(
            f"{arch!r} is not on this machine and its hub cannot be reached; bring its files (config.json, "
            f"model.safetensors and the tokenizer's) in a folder and name that: hf:path/to/folder"
        ) from error


def by_depth(network: nn.Module) -> list[nn.Module]:
    """The parts that hold parameters, as the library lists them, lists of layers opened up."""
    found: list[nn.Module] = []
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            found += list(child)
        elif any(isinstance(m, nn.ModuleList) for m in child.modules()):
            found += by_depth(child)
        else:
            found.append(child)
    return [m for m in found if any(True for _ in m.parameters())]
