"""Foreign weights: read without running code, matched key by key, and what the architecture does not say of them."""

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.layers.padding import pad_same as padded_same
from torch import Tensor, nn

from regraft.backbones._carried import Carried
from regraft.backbones._channels import channels_adapted
from regraft.core.errors import UserError

CONVENTIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""How networks in the wild normalise pictures: mean and standard deviation of each channel."""

HUB_CONVENTIONS = {
    **CONVENTIONS,
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "dpn": ((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3),
}
"""The same and those of two families, whose own weights say so."""

ALL_CONVENTIONS = {
    "unit": CONVENTIONS["unit"],
    "half": CONVENTIONS["half"],
    "byte": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": CONVENTIONS["imagenet"],
    "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255)),
}
"""The same and those that only other libraries have; networks that want ``caffe`` also want blue first."""


def _one_of(names: Iterable[str]) -> AfterValidator:
    known = tuple(names)

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value

    return AfterValidator(check)


Normalise = Annotated[str, _one_of(CONVENTIONS)]
"""The name of one of `CONVENTIONS`."""
HubNormalise = Annotated[str, _one_of(HUB_CONVENTIONS)]
"""The name of one of `HUB_CONVENTIONS`."""
AnyNormalise = Annotated[str, _one_of(ALL_CONVENTIONS)]
"""The name of one of `ALL_CONVENTIONS`."""

_WRAPPERS = (
    "state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict", "model", "module",
    "network", "net", "weights", "params",
)  # fmt: skip
"""Under which names training programs keep a network's tensors; the averaged ones first, as they are the better."""
_COUNTERS = "num_batches_tracked"
"""Ending of the names of tensors that count and know nothing."""

Adapt = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]


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
    while isinstance(found, dict) and (
        inner := next((found[k] for k in _WRAPPERS if isinstance(found.get(k), dict)), 0)
    ):
        found = inner
    tensors = {str(k): v for k, v in found.items() if isinstance(v, Tensor)} if isinstance(found, dict) else {}
    if not tensors:
        raise UserError(f"{path} holds no named tensors; save the network's state_dict() and give that file")
    return _finite(tensors, path)


def _finite(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise UserError(f"{path} holds numbers that are not finite, the first in {name!r}; use another copy")
    return tensors


def carry(network: nn.Module, path: Path, head: tuple[str, ...], adapt: Adapt = lambda _, given: given) -> Carried:
    """Load what fits of ``path`` into ``network``; entries that begin with one of ``head`` (the classifier) may differ.

    ``adapt``: gives the file's tensors the names and sizes of the network, where its library knows how.

    Raises:
        UserError: less than nine tenths of the backbone's weights are there: another architecture.
    """
    found, carried = _matched(network, path, head, adapt)
    wanted = len(carried.kept) + len(carried.resized) + len(carried.new)
    if len(carried.new) > 0.1 * wanted:
        other = next(iter(carried.left), "nothing else")
        raise UserError(
            f"{path} belongs to another architecture: {wanted - len(carried.new)} of {wanted} tensors match, "
            f"the network lacks {next(iter(carried.new))!r}, the file has {other!r}; "
            "name the architecture that it was made for"
        )
    network.load_state_dict(found, strict=False)
    return carried


def carry_all(network: nn.Module, path: Path, head: tuple[str, ...]) -> Carried:
    """Load all of ``path`` into ``network``; only entries that begin with one of ``head`` (the classifier) may differ.

    Raises:
        UserError: a tensor is missing, too many or of another shape: another architecture.
    """
    found, carried = _matched(network, path, head, lambda _, given: given)
    wanted = len(carried.kept) + len(carried.resized) + len(carried.new)
    if carried.new or carried.left:
        raise UserError(
            f"{path} belongs to another architecture: {wanted - len(carried.new)} of {wanted} tensors match, "
            f"{_difference(carried, network, read(path))}; name the code that it was trained with"
        )
    network.load_state_dict(found, strict=False)
    return carried


def _matched(network: nn.Module, path: Path, head: tuple[str, ...], adapt: Adapt) -> tuple[dict[str, Tensor], Carried]:
    """The tensors of ``path`` that fit ``network``, by its names, and the account of all of them."""
    own = {n: t for n, t in network.state_dict().items() if not n.endswith(_COUNTERS)}
    given = read(path)
    prefix, renamed = _renamed(given, own)
    adapted = channels_adapted(network, adapt(network, renamed))
    fits = {n: t for n, t in adapted.items() if n in own and own[n].shape == t.shape}
    resized = {n for n in fits if n in renamed and renamed[n].shape != fits[n].shape}
    behind = {n: t.numel() for n, t in adapted.items() if n not in fits and not n.endswith(_COUNTERS)}
    backbone = {n: t.numel() for n, t in own.items() if not n.startswith(head)}
    return fits, Carried(
        kept={n: c for n, c in backbone.items() if n in fits and n not in resized},
        resized={n: c for n, c in backbone.items() if n in resized},
        new={n: c for n, c in backbone.items() if n not in fits},
        left={n: c for n, c in behind.items() if not n.startswith(head)},
        classifier={n: t.numel() for n, t in adapted.items() if n.startswith(head)},
        recognises=bool(head) and set(fits) >= {n for n in own if n.startswith(head[0])},
        prefix=prefix,
    )


def _renamed(given: dict[str, Tensor], own: dict[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """The file's tensors without, or with, the words before their names with which most of them fit; and the words.

    Networks are saved inside others (``module.``, ``backbone.``), and loaded into others.
    """

    def fitting(tensors: dict[str, Tensor]) -> int:
        return sum(n in own and own[n].shape == t.shape for n, t in tensors.items())

    if fitting(given) > 0.9 * len(own):
        return "", given
    options = [("", given)]
    for front in _fronts(given):
        other = {n: t for n, t in given.items() if not n.startswith(front)}
        options.append((front, other | {n.removeprefix(front): t for n, t in given.items() if n not in other}))
    options += [(f"+{front}", {front + n: t for n, t in given.items()}) for front in _fronts(own)]
    return max(options, key=lambda option: fitting(option[1]))  # the first of equals: the names as they are


def _fronts(names: Iterable[str]) -> list[str]:
    """What stands before the first, second and third dot of names."""
    parts = [name.split(".") for name in names]
    return sorted({".".join(p[:depth]) + "." for p in parts for depth in (1, 2, 3) if len(p) > depth}, key=len)


def _difference(carried: Carried, network: nn.Module, tensors: dict[str, Tensor]) -> str:
    """The first thing that is wrong, and what may explain it."""
    missing, extra = next(iter(carried.new), ""), next(iter(carried.left), "")
    given = tensors.get(carried.prefix.lstrip("+") + missing, tensors.get(missing))
    if missing and given is not None:
        own = tuple(network.state_dict()[missing].shape)
        return f"{missing!r} is {own} in the network and {tuple(given.shape)} in the file"
    also = f"the file has {extra!r}, which the network lacks" if extra else "the file has nothing else"
    return f"{missing!r} is not in the file, and {also}" if missing else also


def pad_same(network: nn.Module) -> None:
    """Make strided convolutions pad as TensorFlow's SAME does: on even inputs the odd pixel goes right and below.

    Those that do not pad, as Inception's, do not there either (VALID).
    """
    for name, layer in list(network.named_modules()):
        wide = isinstance(layer, nn.Conv2d) and layer.kernel_size[0] > layer.stride[0] > 1
        if wide and layer.padding not in (0, (0, 0), "valid"):
            layer.padding = (0, 0)
            parent, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(parent), leaf, nn.Sequential(_Same(layer), layer))


class _Same(nn.Module):
    """Maps (B, C, H, W) padded with zeros as a convolution wants them."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.window = layer.kernel_size, layer.stride, layer.dilation

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, dilation = map(list, self.window)
        found: Tensor = padded_same(x, kernel, stride, dilation)
        return found
