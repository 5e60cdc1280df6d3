"""What methods that align features in closed form have in common."""

from typing import Annotated, ClassVar, Literal

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
    rows: Literal["", "sum", "length"] = ""
    """What each example's features are divided by first: nothing, their sum or their length."""
    scale: bool = True
    """Centre each feature, in each domain by itself, and divide it by its standard deviation. Not for features of which
    many are rare, such as counts of words: it makes the rare ones as large as the others."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        align = AlignFeatures(alignment=self.alignment, head=self.head, rows=self.rows, scale=self.scale)
        return (Phase(edits=(Freeze(), align)),)
