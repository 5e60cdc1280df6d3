"""No direction of the features above the others."""

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
class SpectralPenalty(Term):
    """Batch spectral penalization: the squares of the largest singular values of a batch's features, in both domains.

    It is of a whole batch, so it is another one when a batch is split.
    Reference: Chen et al., Transferability vs. discriminability: batch spectral penalization for adversarial domain
    adaptation, ICML 2019, section 4 (the loss of batch spectral penalization).
    """

    streams: ClassVar[frozenset[Stream]] = BOTH
    largest: Annotated[int, Field(ge=1)] = 1
    """How many of them."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _SpectralPenalty(self.largest)


class _SpectralPenalty(Bound):
    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest = largest

    def forward(self, round_: Round) -> Tensor:
        spectra = [torch.linalg.svdvals(round_.view(stream).features.float()) for stream in sorted(BOTH)]
        return torch.cat([values[: self.largest] for values in spectra]).square().sum()
