"""What a step of training draws, and what the model makes of it."""

from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor


class Stream(StrEnum):
    """Which examples a step draws. The stream says which labels may be seen: unlabelled batches have none to see.

    ``TWIN`` draws what ``UNLABELED`` draws in the same step, varied in another way: its second view.
    """

    SOURCE = "source"
    TARGET = "target"
    UNLABELED = "unlabeled"
    TWIN = "twin"

    @property
    def drawn_like(self) -> "Stream":
        """The stream whose examples this one draws, in the same order."""
        return Stream.UNLABELED if self is Stream.TWIN else self


@dataclass(frozen=True)
class Batch:
    """Examples as tensors: inputs (B, ...), or activations after stage ``start``; targets (B,) or None if withheld."""

    inputs: Tensor
    targets: Tensor | None
    start: int = 0

    def split(self, parts: int) -> list["Batch"]:
        """The batch in ``parts`` micro-batches of nearly equal size."""
        inputs = self.inputs.tensor_split(parts)
        targets = [None] * parts if self.targets is None else self.targets.tensor_split(parts)
        return [Batch(x, y, self.start) for x, y in zip(inputs, targets, strict=True)]


@dataclass(frozen=True)
class View:
    """A batch after the model: features (B, D), outputs (B, K), targets (B,) or None."""

    features: Tensor
    outputs: Tensor
    targets: Tensor | None
