"""Consistency between a weakly and a strongly varied view."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.augment import Augment
from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.edits.freeze import Freeze
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import anchored
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.pseudo_label import PseudoLabel
from regraft.training import Phase


@settings
class FixMatch(Method):
    """Learn on strongly varied target examples what the model is sure of on weakly varied ones.

    The paper draws strong variants from a list of fourteen changes of a picture; here they are the usual ones, larger.
    Texts and tables are not varied, so that this is `pseudo_label` with dropout, if the network has some.
    Reference: Sohn et al., FixMatch: simplifying semi-supervised learning with consistency and confidence, NeurIPS
    2020, eq. 4.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.UNLABELED})
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES, Labels.SETS})
    cost: ClassVar[float] = 3.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    raced_blind: ClassVar[bool] = True
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Probability from which on a prediction is taken for a label; the paper's tau is 0.95, without label smoothing."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the consistency (the paper's lambda)."""
    descent: Descent = Descent(
        batch_size=64,
        rate=1e-3,
        average=0.98,
        augment=Augment(shift=0.04, rotate=5.0, zoom=0.05, shear=0.05, colour=0.1),
        twin=Augment(shift=0.12, rotate=25.0, zoom=0.3, shear=0.25, colour=0.5),
    )
    """How to train; ``augment`` is the weak variation, ``twin`` the strong one."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = anchored(problem)
        terms["consistency"] = Weighted(term=PseudoLabel(threshold=self.threshold, views=True), weight=self.weight)
        return (Phase(edits=(head, Freeze(keep=None), SetNorm()), terms=terms, descent=self.descent),)
