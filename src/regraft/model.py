"""Backbone plus head, and the Problem: all that a method may see."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from regraft.backbones._base import Backbone, Network
from regraft.core.batch import Batch, Stream, View
from regraft.data.dataset import Dataset, Domain
from regraft.features import Memory, forward
from regraft.folding import NORMS
from regraft.tasks._base import Task


class Model(nn.Module):
    """A backbone and a head.

    Batch normalisation uses the statistics of the batch only where it may also learn: frozen layers, and all layers of
    the backbone when ``frozen_norm`` is set, keep their stored statistics in training.
    """

    def __init__(self, backbone: Network, head: nn.Module, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone, self.head, self.classes = backbone, head, classes
        self.frozen_norm = False
        self.head_tempo = 1.0  # factor on the rate of the head in this phase
        self.task: Task | None = None  # what the head was made for
        self.added: tuple[object, ...] = ()  # the structural edits whose parts the backbone holds, in order
        self.kept = nn.ModuleDict()  # weights that a later phase goes back to: see `edits/_kept.py`
        self.temperature = 1.0  # what outputs are divided by, for probabilities that are as sure as they should be
        self.members: tuple[tuple[Model, Backbone], ...] = ()  # those that answer together, with how they are built
        self.notes: dict[str, str] = {}  # what edits and terms found out while it was made, for a reader

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (B, ...) to outputs (B, K)."""
        outputs: Tensor = self.head(self.backbone(inputs))
        return outputs if self.temperature == 1 else outputs / self.temperature

    def view(self, batch: Batch) -> View:
        """Features and outputs of a batch, whose inputs may be remembered activations."""
        features = self.backbone(batch.inputs, batch.start).float()
        return View(features, self.head(features), batch.targets, batch.index)

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; frozen blocks and frozen batch normalisation stay in evaluation mode."""
        super().train(mode)
        for part in (*self.backbone.stages[: self.frozen_stages()], *blocks(self.backbone)):
            part.train(part.training and any(p.requires_grad for p in part.parameters()))
        for norm in self.batch_norms:
            learns = any(p.requires_grad for p in norm.parameters())
            norm.train(norm.training and learns and not self.frozen_norm)
        return self

    @property
    def batch_norms(self) -> list[_BatchNorm]:
        """The layers of batch normalisation in the backbone."""
        return [m for m in self.backbone.modules() if isinstance(m, NORMS)]

    def frozen_stages(self) -> int:
        """How many leading stages of the backbone no descent can change: their outputs may be remembered."""
        for number, stage in enumerate(self.backbone.stages):
            if any(p.requires_grad for p in stage.parameters()):
                return number
        return len(self.backbone.stages)

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Trainable parameters by depth, stem first, head last: for layer-wise rates and gradual unfreezing."""
        groups = [[p for p in m.parameters() if p.requires_grad] for m in (*blocks(self.backbone), self.head)]
        known = {id(p) for group in groups for p in group}
        groups[0] += [p for p in self.backbone.parameters() if p.requires_grad and id(p) not in known]
        return groups


@contextmanager
def untracked(module: nn.Module) -> Iterator[None]:
    """Inside, batch normalisation does not update its stored statistics."""
    momenta = {m: m.momentum for m in module.modules() if isinstance(m, NORMS)}
    for norm in momenta:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum


@contextmanager
def watched(network: Network) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Inside, the layers that a forward pass goes through, and what each puts out: the pass fills the list."""
    seen: list[tuple[nn.Module, Tensor]] = []

    def note(layer: nn.Module, _: object, output: object) -> None:
        first = output[0] if isinstance(output, tuple) else output
        seen.extend([(layer, first)] if isinstance(first, Tensor) else [])

    handles = [layer.register_forward_hook(note) for layer in layers(network)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def channel_axis(layer: nn.Module, output: Tensor) -> int:
    """Along which axis of what a layer puts out, (B, ...), its channels lie: the last of states, the first of maps.

    Some networks (Swin) have maps with channels last: those whose last axis is as long as a part of the layer says.
    """
    if output.dim() != 4:
        return 2 if output.dim() == 3 and not isinstance(layer, nn.Conv1d) else 1
    parts, names = list(layer.modules()), ("out_channels", "num_features", "num_channels", "out_features")
    sizes = {getattr(part, name, None) for part in parts for name in names}
    sizes |= {part.normalized_shape[-1] for part in parts if isinstance(part, nn.LayerNorm)}
    first, last = output.shape[1] in sizes, output.shape[3] in sizes
    if first == last:
        return 1 if any(isinstance(part, nn.Conv2d | nn.BatchNorm2d | nn.GroupNorm) for part in parts) else 3
    return 1 if first else 3


def layers(network: Network) -> list[nn.Module]:
    """The parts of a network in depth order, as far as each is one call; of a list of parts it is the first."""
    return [next(m.children()) if isinstance(m, nn.ModuleList) else m for m in _leaves(network)]


def blocks(network: Network) -> list[nn.Module]:
    """The parts of a network that hold parameters, stem first: what freezing and unfreezing count in."""
    return [m for m in _leaves(network) if any(True for _ in m.parameters())]


def _leaves(network: Network) -> Iterator[nn.Module]:
    yield from network.stages if network.inner_blocks is None else network.inner_blocks


@dataclass(frozen=True)
class Problem:
    """All that a method may see. The holdout is not in here.

    ``source_model`` is the trained network to start from, None when there is none; ``source`` the labelled source data,
    None when there are none. ``frozen_norm`` is what was measured about the source's batch normalisation: True if
    features under batch statistics are worse than under the stored ones. ``memory`` says where forward passes run and
    where their results are remembered.
    """

    task: Task
    target: Domain
    backbone: Backbone
    seed: int
    source_model: Model | None = None
    source: Domain | None = None
    frozen_norm: bool = False
    memory: Memory = Memory()

    def examples(self, stream: Stream) -> Dataset:
        """The examples of a stream.

        Raises:
            ValueError: the problem does not have them; a method's declared needs keep this from happening in a race.
        """
        found = {
            Stream.TARGET: self.target.train,
            Stream.UNLABELED: self.target.unlabeled,
            Stream.SOURCE: self.source.train if self.source else None,
        }[stream.drawn_like]
        if found is None:
            raise ValueError(f"this problem has no {stream.drawn_like} examples")
        return found

    @property
    def labelled(self) -> bool:
        """Whether there are labelled target examples to learn from; where there are none, the source's head must do."""
        return len(self.target.train) > 0 and self.target.train.examples.labels is not None


class _Whole(nn.Module):
    """A model whose features and outputs come side by side."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.training = model, model.training

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.model.backbone(inputs).float()
        return torch.cat([features, self.model.head(features).float()], 1)


def observe(model: Model, dataset: Dataset, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) and outputs (N, K) of examples, float32, from one pass in evaluation mode."""
    both = forward(_Whole(model), dataset, problem.backbone.preprocess, problem.memory.runtime)
    return both[:, : model.backbone.feature_dim], both[:, model.backbone.feature_dim :]
