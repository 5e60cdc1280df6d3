"""Larger features, a step at a time."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import BOTH


@settings
class FeatureNorm(Term):
    """Stepwise adaptive feature norm: the squared difference of each feature's norm from itself plus a step.

    The value is the squared step, whatever the features; its gradient makes them longer. The mean is over each domain,
    then both are added.
    Reference: Xu et al., Larger norm more transferable: an adaptive feature norm approach for unsupervised domain
    adaptation, ICCV 2019, section 3 (stepwise adaptive feature norm).
    """

    streams: ClassVar[frozenset[Stream]] = BOTH
    step: Annotated[float, Field(gt=0)] = 1.0
    """How much longer than now."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _FeatureNorm(self.step)


class _FeatureNorm(Bound):
    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def forward(self, round_: Round) -> Tensor:
        norms = [round_.view(stream).features.float().norm(dim=1) for stream in sorted(BOTH)]
        return torch.stack([(norm - (norm.detach() + self.step)).square().mean() for norm in norms]).sum()
