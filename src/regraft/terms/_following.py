"""Terms with a copy of the model that slowly follows it."""

import torch
from torch import Tensor, nn

from regraft.terms._base import Bound, Round


class Stepping(Bound):
    """A term that does something once a step."""

    progress: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("progress", torch.zeros((), dtype=torch.float64))

    def stepped(self, round_: Round) -> bool:
        """Whether a step was taken since it was last asked: a step is seen once for each of its micro-batches."""
        was = self.progress.item()
        self.progress.fill_(round_.progress)
        return was != round_.progress


def follow(slow: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the weights of ``slow`` to ``decay`` of them and the rest of those of ``model``."""
    torch._foreach_lerp_(list(slow.parameters()), [p.detach() for p in model.parameters()], 1 - decay)
