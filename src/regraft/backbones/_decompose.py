"""Cut a foreign network into stages, and prove that the stages are the network."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from regraft.backbones._base import Network

_COPYING = (nn.ReLU6, nn.Hardswish, nn.SiLU)
"""Activations whose backward pass needs their input: working in place, they would copy it first."""


def decompose(network: nn.Module, x: Tensor) -> Network:
    """``network``, from inputs like ``x`` (two random ones) to pooled features (B, D), as a chain of stages.

    The children, in the order in which the library lists them, are tried as a chain on ``x``, with pooling
    and flattening, which many networks do between modules, put in where it may belong. A chain that gives the
    network's own numbers is the network. If none does, the whole is one stage, and its children only say what lies
    deeper.
    """
    for layer in (m for m in network.modules() if isinstance(m, _COPYING)):
        layer.inplace = False
    was = network.training
    network.eval()
    parts = _flatten(network)
    with torch.no_grad():
        wanted = network(x)
        chain = next(_chains(parts, x, wanted), None)
    network.train(was)
    if chain is None:
        return uncut(network, wanted.shape[1])
    return Network(_group(chain), wanted.shape[1])


def uncut(network: nn.Module, feature_dim: int) -> Network:
    """``network`` as one stage, whose children say what lies deeper."""
    return Network([network], feature_dim, [m for m in _inner(network) if _size(m)])


def _flatten(network: nn.Module) -> list[nn.Module]:
    """The children in order, sequences of blocks opened up."""
    found: list[nn.Module] = []
    for child in network.children():
        found += _flatten(child) if isinstance(child, nn.Sequential) and len(child) > 1 else [child]
    return [m for m in found if not isinstance(m, nn.Identity)]


def _inner(network: nn.Module) -> list[nn.Module]:
    """The children in order; one that holds most of the parameters is opened up."""
    found: list[nn.Module] = []
    for part in _flatten(network):
        most = 2 * _size(part) > _size(network) and any(_size(child) for child in part.children())
        found += _inner(part) if most else [part]
    return found


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _chains(parts: Sequence[nn.Module], x: Tensor, wanted: Tensor) -> Iterator[list[nn.Module]]:
    """Chains of ``parts``, with pooling put in before the last few, that turn ``x`` into ``wanted``."""
    reached = [x]
    for part in parts:
        following = _apply([part], reached[-1])
        if following is None:
            break
        reached.append(following)
    for position in range(len(reached) - 1, -1, -1):
        if position and isinstance(parts[position - 1], nn.Dropout):
            continue  # dropout works on pooled features, though in evaluation mode nobody could tell
        for between in (
            [nn.Flatten(1)],
            [nn.AdaptiveAvgPool2d(1), nn.Flatten(1)],
            [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1)],
        ):
            result = _apply([*between, *parts[position:]], reached[position])
            if result is not None and result.shape == wanted.shape and torch.allclose(result, wanted, 1e-4, 1e-5):
                yield [*parts[:position], *between, *parts[position:]]


def _apply(parts: Sequence[nn.Module], x: Tensor) -> Tensor | None:
    try:
        for part in parts:
            x = part(x)
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, AssertionError):
        return None
    return x if isinstance(x, Tensor) else None


def _group(parts: Sequence[nn.Module]) -> list[nn.Module]:
    """Parts joined so that normalisation, activation and pooling belong to the layer before them."""
    groups: list[list[nn.Module]] = []
    for part in parts:
        light = not any(isinstance(m, nn.Conv2d | nn.Linear) for m in part.modules())
        if groups and light:
            groups[-1].append(part)
        else:
            groups.append([part])
    return [nn.Sequential(*group) for group in groups]
