"""What methods that fit a classical head on weighted source examples have in common."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.edits.freeze import Freeze
from regraft.edits.weighted_head import WeightedHead
from regraft.heads._base import ClassicalHead
from regraft.methods._base import Method, Need
from regraft.model import Problem
from regraft.training import Phase
from regraft.weightings._base import Weighting


@settings
class WeightedFeatures(Method):
    """Freeze the backbone, weigh the source's examples, fit a head on them and on the target's."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA})
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES, Labels.NUMBERS})
    cost: ClassVar[float] = 0.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    tunes: ClassVar[bool] = False
    weighting: Annotated[Weighting, Choice("weightings")]
    """How much each source example counts."""
    head: Annotated[ClassicalHead, Choice("heads")] | None = None
    """The estimator; None: logistic regression, and ridge regression for numbers."""
    target: Annotated[float, Field(gt=0)] = 100.0
    """How much the labelled target examples count together, in units of all source examples."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head = WeightedHead(weighting=self.weighting, head=self.head, target=self.target)
        return (Phase(edits=(Freeze(), head)),)
