"""Shrink the directions of the features that carry least."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term


@settings
class ShrinkSpectrum(Term):
    """The sum of the smallest squared singular values of a batch's features (B, D); their number is min(B, D).

    Not additive over examples: of a batch that is forwarded in pieces, each piece has its own singular values.
    Reference: Chen et al., Catastrophic forgetting meets negative transfer: batch spectral shrinkage for safe transfer
    learning, NeurIPS 2019, eq. 4.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    count: Annotated[int, Field(ge=1)] = 1
    """How many singular values are shrunk (the paper's k)."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _ShrinkSpectrum(self.count)


class _ShrinkSpectrum(Bound):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, round_: Round) -> Tensor:
        return torch.linalg.svdvals(round_.view(Stream.TARGET).features.float())[-self.count :].square().sum()
