"""Batch normalisation by the statistics of the target."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits.adapt_norm import AdaptNorm
from regraft.edits.freeze import Freeze
from regraft.methods._base import Method, Need
from regraft.methods._start import start
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class Adabn(Method):
    """Estimate the statistics of batch normalisation anew on the unlabelled target; no weight changes.

    Labelled target examples, where there are some, train a head on the features that this gives.
    Reference: Li et al., Revisiting batch normalization for practical domain adaptation, arXiv 2016, algorithm 1.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.UNLABELED})
    cost: ClassVar[float] = 0.1
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    raced_blind: ClassVar[bool] = True
    batch_norm: ClassVar[bool] = True
    prior: Annotated[float, Field(ge=0)] = 0.0
    """How many examples the source's statistics count for (see `AdaptNorm`)."""
    descent: Descent = Descent(rate=1e-2, views=4)
    """How to train the head, where there are labels."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = start(problem)
        return (Phase(edits=(AdaptNorm(prior=self.prior), head, Freeze()), terms=terms, descent=self.descent),)
