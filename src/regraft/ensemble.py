"""Several models that answer together: the mean of what they predict, as one model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regraft.backbones._base import Backbone, Network
from regraft.model import Model
from regraft.preprocessing._several import Several
from regraft.tasks._base import Task

PART = "member-{}"
"""The folder of one of the networks, in that of a model that several make together."""


@dataclass(frozen=True)
class Together(Backbone):
    """The backbones of several models side by side: their features in a row."""

    members: tuple[Backbone, ...]
    arch: str = "ensemble"

    @property
    def preprocess(self) -> Several:
        """What each of them expects, side by side."""
        return Several(tuple(each.preprocess for each in self.members))

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        return "; ".join(dict.fromkeys(each.described for each in self.members))

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`."""
        return SideBySide([each.build(pretrained) for each in self.members], self.preprocess)


class SideBySide(Network):
    """Networks on the same examples: what `Several` gives (B, E) to all their features in a row (B, D)."""

    def __init__(self, networks: Sequence[Network], preprocess: Several) -> None:
        blocks = [block for each in networks for block in each.inner_blocks or each.stages]
        super().__init__([_Row(networks, preprocess)], sum(each.feature_dim for each in networks), blocks)


class _Row(nn.Module):
    def __init__(self, networks: Sequence[Network], preprocess: Several) -> None:
        super().__init__()
        self.networks, self.preprocess = nn.ModuleList(networks), preprocess

    def forward(self, rows: Tensor) -> Tensor:
        each = (network(self.preprocess.inputs(rows, place)).float() for place, network in enumerate(self.networks))
        return torch.cat(list(each), 1)


class _Committee(nn.Module):
    """Heads that each read their part of the features (B, D); together they give outputs (B, K)."""

    def __init__(self, heads: Sequence[nn.Module], widths: Sequence[int], task: Task) -> None:
        super().__init__()
        self.heads, self.widths, self.task = nn.ModuleList(heads), list(widths), task

    def forward(self, features: Tensor) -> Tensor:
        parts = features.split(self.widths, 1)
        return self.task.together(torch.stack([head(x) for head, x in zip(self.heads, parts, strict=True)]))


def together(members: Sequence[tuple[Model, Backbone]]) -> tuple[Model, Together]:
    """One model that predicts the mean of what its members predict, all of one task; it is for inference only.

    Reference: Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty estimation using deep
    ensembles, NeurIPS 2017, section 2.4.
    """
    models, backbone = [model for model, _ in members], Together(tuple(each for _, each in members))
    network = SideBySide([model.backbone for model in models], backbone.preprocess)
    task = models[0].task
    assert task is not None  # every model that was trained with labels has one
    widths = [model.backbone.feature_dim for model in models]
    joined = Model(network, _Committee([model.head for model in models], widths, task), models[0].classes)
    joined.task, joined.members = task, tuple(members)
    joined.notes = {f"network {place + 1}: {k}": v for place, m in enumerate(models) for k, v in m.notes.items()}
    return joined.eval(), backbone
