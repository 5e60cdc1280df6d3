"""Entropy lowered by batch normalisation alone."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.edits.adapt_norm import AdaptNorm
from regraft.edits.freeze import Freeze
from regraft.edits.freeze_head import FreezeHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import start
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.information_maximisation import InformationMaximisation
from regraft.training import Phase


@settings
class Tent(Method):
    """Lower the entropy of predictions on the unlabelled target through scale and shift of batch normalisation.

    The paper adapts to a stream and predicts by the statistics of each batch; here those of the whole target are stored
    at the end. Normalisation layers of other sorts learn too where there is batch normalisation. Labelled target
    examples add their loss, and then the head learns as well.
    Reference: Wang et al., Tent: fully test-time adaptation by entropy minimization, ICLR 2021, section 3.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.UNLABELED})
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES, Labels.SETS})
    cost: ClassVar[float] = 2.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    batch_norm: ClassVar[bool] = True
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the entropy."""
    prior: Annotated[float, Field(ge=0)] = 0.0
    """How many examples the source's statistics count for (see `AdaptNorm`)."""
    descent: Descent = Descent(batch_size=64, rate=1e-3, weight_decay=0.0, augment=None)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = start(problem)
        terms["entropy"] = Weighted(term=InformationMaximisation(diversity=0.0), weight=self.weight)
        adapt = AdaptNorm(prior=self.prior)
        frozen = () if problem.labelled else (FreezeHead(),)
        edits = (head, adapt, Freeze(keep=None, only="norms"), *frozen, SetNorm(frozen=False))
        return (Phase(edits=edits, terms=terms, descent=self.descent), Phase(edits=(adapt,)))
