"""Leave out the source examples that mislead, then fit a head."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.edits.freeze import Freeze
from regraft.edits.weighted_head import WeightedHead
from regraft.methods._base import Method, Need
from regraft.model import Problem
from regraft.training import Phase


@settings
class InstancePruning(Method):
    """Leave out source examples that a head of the target gets most surely wrong; learn from the rest and the target.

    For sources whose labels mean something else in places.
    Reference: Jiang and Zhai, Instance weighting for domain adaptation in NLP, ACL 2007, sections 3.1 and 4.2.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA})
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})
    cost: ClassVar[float] = 0.0
    raced: ClassVar[bool] = False
    tunes: ClassVar[bool] = False
    misleading: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the source examples that is left out, at most."""
    target: Annotated[float, Field(gt=0)] = 100.0
    """How much the labelled target examples count together, in units of all source examples that are left."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (Phase(edits=(Freeze(), WeightedHead(misleading=self.misleading, target=self.target))),)
