"""Distance from the weights that training started from."""

import torch
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term


@settings
class StayClose(Term):
    """Half the squared distance of the backbone from its start, plus ``fresh`` times that of the head from zero.

    Reference: Li, Grandvalet and Davoine, Explicit inductive bias for transfer learning with convolutional networks
    (L2-SP), ICML 2018, eq. 2.
    """

    fresh: float = 0.1
    """Weight of the penalty on the head, which has no start to stay close to, relative to the backbone's."""

    @property
    def needs(self) -> frozenset[Stream]:
        """See `Term.needs`."""
        return frozenset()

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _StayClose(model, self.fresh)


class _StayClose(Bound):
    def __init__(self, model: Model, fresh: float) -> None:
        super().__init__()
        self.fresh = fresh
        for number, parameter in enumerate(p for p in model.backbone.parameters() if p.requires_grad):
            self.register_buffer(f"start_{number}", parameter.detach().clone())

    def forward(self, round_: Round) -> Tensor:
        now = [p for p in round_.model.backbone.parameters() if p.requires_grad]
        moved = [(p - s).square().sum() for p, s in zip(now, self.buffers(), strict=True)]
        head = [p.square().sum() for p in round_.model.head.parameters()]
        return 0.5 * torch.stack(moved).sum() + 0.5 * self.fresh * torch.stack(head).sum()
