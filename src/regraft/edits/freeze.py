"""Which blocks may learn."""

import math
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.edits._base import Edit
from regraft.model import Model, Problem, blocks

_NORMALISING = ("LayerNorm", "RMSNorm", "BatchNorm", "GroupNorm", "InstanceNorm")
"""In the names of the classes of normalisation layers, of any library."""


@settings
class Freeze(Edit):
    """Freeze the backbone but for its last blocks, or but for one sort of weights; the head always learns."""

    keep: Annotated[float, Field(ge=0, le=1)] | None = 0.0
    """Share of the blocks, counted from the last, that may learn (rounded up); None for all, and the layers between."""
    only: Literal["all", "biases", "norms"] = "all"
    """Which weights of these: all, the biases, or the scales and shifts of normalisation layers."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`.

        Raises:
            CandidateError: the network has no such weights.
        """
        model.requires_grad_(True)
        if self.keep is not None:
            model.backbone.requires_grad_(False)
            parts = blocks(model.backbone)
            for block in parts[len(parts) - math.ceil(self.keep * len(parts)) :]:
                block.requires_grad_(True)
        if self.only != "all":
            chosen = _biases(model.backbone) if self.only == "biases" else norms(model.backbone)
            wanted = {id(p) for p in chosen}
            for parameter in model.backbone.parameters():
                parameter.requires_grad_(parameter.requires_grad and id(parameter) in wanted)
            if not any(p.requires_grad for p in model.backbone.parameters()):
                raise CandidateError(f"this network has no {self.only} that could be trained")
        return model


def _biases(network: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in network.named_parameters() if name.rpartition(".")[2].endswith("bias")]


def norms(network: nn.Module) -> list[nn.Parameter]:
    """The scales and shifts of a network's normalisation layers."""
    layers = [m for m in network.modules() if any(sort in type(m).__name__ for sort in _NORMALISING)]
    return [p for layer in layers for p in layer.parameters()]
