"""A linear support vector machine on frozen features."""

from typing import Annotated, ClassVar

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.edits.fit_head import FitHead
from regraft.edits.freeze import Freeze
from regraft.heads import svm as heads
from regraft.heads._base import ClassicalHead
from regraft.methods._base import Method
from regraft.model import Problem
from regraft.training import Phase


@settings
class Svm(Method):
    """A linear support vector machine on frozen features, each picture forwarded once; of label sets a label at a time.

    Reference: Razavian et al., CNN features off-the-shelf, CVPR workshops 2014.
    """

    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES, Labels.SETS})
    cost: ClassVar[float] = 0.0
    tunes: ClassVar[bool] = False
    head: Annotated[ClassicalHead, Choice("heads")] = heads.Svm()
    """The estimator and its options."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (Phase(edits=(Freeze(), FitHead(head=self.head))),)
