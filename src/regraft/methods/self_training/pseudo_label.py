"""Self-training on confident predictions."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.edits.freeze import Freeze
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import anchored
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms import pseudo_label as terms_
from regraft.terms._base import Weighted
from regraft.training import Phase


@settings
class PseudoLabel(Method):
    """Learn what the model itself says of unlabelled target examples, where it is sure, beside the labelled ones.

    Reference: Lee, Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks,
    ICML workshops 2013, eq. 15 and 16 (with a threshold, which the paper has not).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.UNLABELED})
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES, Labels.SETS})
    cost: ClassVar[float] = 2.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Probability from which on a prediction is taken for a label."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the pseudo-labels at the end of their ramp (the paper's alpha)."""
    ramp: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the steps over which that weight grows from zero."""
    descent: Descent = Descent(batch_size=64, rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = anchored(problem)
        own = terms_.PseudoLabel(threshold=self.threshold)
        terms["pseudo"] = Weighted(term=own, weight=self.weight, ramp=self.ramp)
        return (Phase(edits=(head, Freeze(keep=None), SetNorm()), terms=terms, descent=self.descent),)
