"""Source hypothesis transfer."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.edits.freeze import Freeze
from regraft.edits.freeze_head import FreezeHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import start
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.centroid_labels import CentroidLabels
from regraft.terms.information_maximisation import InformationMaximisation
from regraft.training import Phase


@settings
class Shot(Method):
    """Fit the features of the unlabelled target to the source's frozen head: confident, diverse, true to centroids.

    Labelled target examples, where there are some, add their loss and train the head, which then is the target's.
    Reference: Liang et al., Do we really need to access the source data? Source hypothesis transfer for unsupervised
    domain adaptation, ICML 2020, eq. 7.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.UNLABELED})
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})
    cost: ClassVar[float] = 2.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    raced_blind: ClassVar[bool] = True
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of information maximisation."""
    centroids: Annotated[float, Field(ge=0)] = 0.3
    """Weight of the pseudo-labels (the paper's beta)."""
    descent: Descent = Descent(batch_size=64, rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = start(problem)
        terms["information"] = Weighted(term=InformationMaximisation(), weight=self.weight)
        terms["centroids"] = Weighted(term=CentroidLabels(), weight=self.centroids)
        frozen = () if problem.labelled else (FreezeHead(),)
        edits = (head, Freeze(keep=None), *frozen, SetNorm())
        return (Phase(edits=edits, terms=terms, descent=self.descent),)
