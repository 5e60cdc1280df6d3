"""What can be said of a network without data: its blocks, their outputs, and what a forward pass costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode

from regraft.backbones._base import Backbone, Network

_NOT_STATED = {"licence": "not stated", "citation": "not stated"}
_PARTS = 4
"""Layers that a block is called by, at most."""


@dataclass(frozen=True)
class Block:
    """A part of a network that holds parameters; ``shape``: of its output for one example, None if it has no one."""

    name: str
    parameters: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Facts:
    """What a network is.

    ``blocks``: stem first. ``features``: the width of what the head gets. ``flops``: of one example's forward pass, two
    for each multiplication with its addition, in convolutions, matrix products and attention; None where another
    library computes. ``origin``: see `Backbone.origin`.
    """

    blocks: tuple[Block, ...]
    parameters: int
    features: int
    flops: int | None
    origin: Mapping[str, str]

    @property
    def network(self) -> str:
        """Size and cost in a line."""
        cost = "operations not counted" if self.flops is None else f"{large(self.flops)}FLOPs an example"
        return f"{len(self.blocks)} blocks, {self.features} features, {cost}"


def facts(backbone: Backbone, network: Network) -> Facts:
    """The facts of ``network``, which ``backbone`` built; it is left as it was."""
    parts = [m for m in (network.inner_blocks or network.stages) if any(True for _ in m.parameters())]
    shapes: dict[int, tuple[int, ...]] = {}
    handles = [
        m.register_forward_hook(partial(_note, shapes, place)) for place, part in enumerate(parts) for m in _run(part)
    ]
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    was = network.training
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network.eval()(backbone.preprocess.sample(1).to(device))
    finally:
        network.train(was)
        for handle in handles:
            handle.remove()
    blocks = (Block(_called(m), _size(m), shapes.get(place, _stated(m))) for place, m in enumerate(parts))
    return Facts(
        tuple(blocks), _size(network), network.feature_dim, counter.get_total_flops() or None,
        origin_of(backbone),
    )  # fmt: skip


def origin_of(backbone: Backbone) -> dict[str, str]:
    """Where the weights come from, their licence and what to cite, each in words; see `Backbone.origin`."""
    return {**_NOT_STATED, **backbone.origin}


def large(number: float) -> str:
    """A number of operations with its unit's prefix, ending in it: 3.63 G."""
    for prefix, power in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if number >= power:
            return f"{number / power:.3g} {prefix}"
    return f"{number:,.0f} "


def _note(shapes: dict[int, tuple[int, ...]], place: int, _: nn.Module, __: Any, output: Any) -> None:
    first = output[0] if isinstance(output, tuple) else output
    first = first.data if isinstance(first, PackedSequence) else first  # of one example: its states
    if isinstance(first, Tensor):
        shapes[place] = tuple(first.shape[1:])


def _run(block: nn.Module) -> list[nn.Module]:
    """What is run of a block, in this order: a list of layers is not run itself."""
    return list(block.children()) if isinstance(block, nn.ModuleList) else [block]


def _stated(block: nn.Module) -> tuple[int, ...] | None:
    """The shape that a layer of another library states: it is not run as a module."""
    shape: tuple[int, ...] | None = getattr(block, "output_shape", None)
    return shape


def _called(block: nn.Module) -> str:
    parts = list(block.children()) if isinstance(block, nn.Sequential | nn.ModuleList) else [block]
    names = [str(getattr(part, "layer_title", type(part).__name__)) for part in parts]
    return " + ".join(names[:_PARTS]) + (" + ..." if len(names) > _PARTS else "")


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
