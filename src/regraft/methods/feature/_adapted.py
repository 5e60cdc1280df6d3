"""What methods have in common that learn the task on the source while the target adapts the features."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import start
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Phase


@settings
class Adapted(Method):
    """Learn the source's labels, and those of the target where there are some, beside terms that adapt the features.

    The source must name the target's classes for its labels to teach the target's head.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA, Need.UNLABELED})
    cost: ClassVar[float] = 3.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of what adapts."""
    target: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the loss on labelled target examples."""
    descent: Descent = Descent(rate=1e-3, average=0.98)
    """How to train."""

    @abstractmethod
    def adapting(self) -> Mapping[str, Weighted]:
        """The terms that adapt, by name."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = start(problem, self.target, self.opens)
        terms |= {"source": Weighted(term=Supervised(stream=Stream.SOURCE)), **self.adapting()}
        return (Phase(edits=(head, Freeze(keep=None), SetNorm()), terms=terms, descent=self.descent),)
