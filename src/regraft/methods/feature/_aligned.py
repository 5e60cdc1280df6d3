"""What methods that align features in closed form have in common."""

from typing import Annotated, ClassVar

from regraft.alignments._base import Alignment
from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.edits.align_features import AlignFeatures
from regraft.edits.freeze import Freeze
from regraft.heads._base import ClassicalHead
from regraft.heads.logistic import Logistic
from regraft.methods._base import Method, Need
from regraft.model import Problem
from regraft.training import Phase


@settings
class AlignedFeatures(Method):
    """Freeze the backbone, align the remembered features of both domains, fit a head on the labels of both."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA, Need.UNLABELED})
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})
    cost: ClassVar[float] = 0.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    tunes: ClassVar[bool] = False
    alignment: Annotated[Alignment, Choice("alignments")]
    """How features are brought together."""
    head: Annotated[ClassicalHead, Choice("heads")] = Logistic()
    """The estimator that is fitted on them."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (Phase(edits=(Freeze(), AlignFeatures(alignment=self.alignment, head=self.head))),)
