"""Foreign weights: read without running code, matched key by key, and what the architecture does not say of them."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from regraft.core.errors import UserError

CONVENTIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""How networks in the wild normalise pictures: mean and standard deviation of each channel."""

ALL_CONVENTIONS = {
    "unit": CONVENTIONS["unit"],
    "half": CONVENTIONS["half"],
    "byte": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": CONVENTIONS["imagenet"],
    "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255)),
}
"""The same and those that only other libraries have; networks that want ``caffe`` also want blue first."""


@dataclass(frozen=True)
class Carried:
    """What a weights file gave to a network: tensors matched, left behind, still random."""

    matched: int
    left_behind: tuple[str, ...]
    missing: tuple[str, ...]


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors``, ``.pth``, ``.pt`` or ``.th`` file. No code in the file is run.

    Raises:
        UserError: there is no such file, it is not a weights file, or it carries code.
    """
    if not path.is_file():
        raise UserError(f"weights file {str(path)!r} does not exist; give a .safetensors, .pth, .pt or .th file")
    if path.suffix == ".safetensors":
        try:
            return _finite(load_file(path), path)
        except SafetensorError as error:
            raise UserError(f"{path} is not a whole safetensors file ({error}); copy or download it again") from error
    with path.open("rb") as file:
        start = file.read(4)
    if start and start != b"PK\x03\x04" and start[:1] != b"\x80":  # neither a zip file nor a binary pickle
        raise UserError(f"{path} is not a PyTorch weights file (a page of a web site, perhaps); download it again")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, zipfile.BadZipFile, OSError, ValueError) as error:
        raise UserError(f"{path} is not a whole PyTorch weights file; copy or download it again") from error
    except Exception as error:  # pickle.UnpicklingError and whatever a forged file raises
        raise UserError(
            f"{path} holds more than plain tensors, and loading it could run code in it; "
            "ask its author for a .safetensors file or a plain state_dict"
        ) from error
    return _tensors(found, path)


def _tensors(found: Any, path: Path) -> dict[str, Tensor]:
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors = {str(k): v for k, v in found.items() if isinstance(v, Tensor)} if isinstance(found, dict) else {}
    if not tensors:
        raise UserError(f"{path} holds no named tensors; save the network's state_dict() and give that file")
    if all(name.startswith("module.") for name in tensors):  # saved from nn.DataParallel
        tensors = {name.removeprefix("module."): t for name, t in tensors.items()}
    return _finite(tensors, path)


def _finite(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise UserError(f"{path} holds numbers that are not finite, the first in {name!r}; use another copy")
    return tensors


def carry(network: nn.Module, path: Path, head: tuple[str, ...]) -> Carried:
    """Load what fits of ``path`` into ``network``; entries that begin with one of ``head`` (the classifier) may differ.

    Raises:
        UserError: less than nine tenths of the backbone's weights are there: another architecture.
    """
    tensors, own = read(path), network.state_dict()
    fits = {n: t for n, t in tensors.items() if n in own and own[n].shape == t.shape}
    wanted = [n for n in own if not n.startswith(head) and not n.endswith("num_batches_tracked")]
    missing = tuple(n for n in wanted if n not in fits)
    left = tuple(n for n in tensors if n not in fits)
    if len(missing) > 0.1 * len(wanted):
        raise UserError(
            f"{path} belongs to another architecture: {len(wanted) - len(missing)} of {len(wanted)} tensors match, "
            f"the network lacks {missing[0]!r}, the file has {(left or ('nothing else',))[0]!r}; "
            "name the architecture that it was made for"
        )
    network.load_state_dict(fits, strict=False)
    return Carried(len(fits), left, missing)


def carry_all(network: nn.Module, path: Path, head: tuple[str, ...]) -> Carried:
    """Load all of ``path`` into ``network``; only entries that begin with one of ``head`` (the classifier) may differ.

    Raises:
        UserError: a tensor is missing, too many or of another shape: another architecture.
    """
    tensors, own = read(path), network.state_dict()
    fits = {n: t for n, t in tensors.items() if n in own and own[n].shape == t.shape}
    backbone = [n for n in own if not n.startswith(head) and not n.endswith("num_batches_tracked")]
    missing = tuple(n for n in backbone if n not in fits)
    left = tuple(n for n in tensors if n not in fits)
    extra = tuple(n for n in left if n not in own)
    if missing or any(not n.startswith(head) for n in extra):
        raise UserError(
            f"{path} belongs to another architecture: {len(backbone) - len(missing)} of {len(backbone)} tensors match, "
            f"{_difference(missing, extra, own, tensors)}; name the code that it was trained with"
        )
    network.load_state_dict(fits, strict=False)
    return Carried(len(fits), left, missing)


def _difference(
    missing: tuple[str, ...], extra: tuple[str, ...], own: dict[str, Tensor], tensors: dict[str, Tensor]
) -> str:
    """The first thing that is wrong, and what may explain it."""
    if missing and missing[0] in tensors:
        shapes = (tuple(t[missing[0]].shape) for t in (own, tensors))
        return "{!r} is {} in the network and {} in the file".format(missing[0], *shapes)
    also = f"the file has {extra[0]!r}, which the network lacks" if extra else "the file has nothing else"
    return f"{missing[0]!r} is not in the file, and {also}" if missing else also


def pad_same(network: nn.Module) -> None:
    """Make strided convolutions pad as TensorFlow's SAME does on even inputs: the odd pixel goes right and below."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d) and layer.stride[0] > 1 and layer.kernel_size[0] > layer.stride[0]:
            total = layer.kernel_size[0] - layer.stride[0]
            before, after = total // 2, total - total // 2
            layer.padding = (0, 0)
            parent, _, leaf = name.rpartition(".")
            padded = nn.Sequential(nn.ZeroPad2d((before, after, before, after)), layer)
            setattr(network.get_submodule(parent), leaf, padded)
