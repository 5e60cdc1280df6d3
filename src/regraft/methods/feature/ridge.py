"""Ridge regression on frozen features."""

from typing import Annotated, ClassVar

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.edits.fit_head import FitHead
from regraft.edits.freeze import Freeze
from regraft.heads import ridge as heads
from regraft.heads._base import ClassicalHead
from regraft.methods._base import Method
from regraft.model import Problem
from regraft.training import Phase


@settings
class Ridge(Method):
    """Ridge regression on frozen features, each example forwarded once. For numbers.

    Reference: Hoerl and Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 1970.
    """

    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.NUMBERS})
    cost: ClassVar[float] = 0.0
    head: Annotated[ClassicalHead, Choice("heads")] = heads.Ridge()
    """The estimator and its options."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (Phase(edits=(Freeze(), FitHead(head=self.head))),)
