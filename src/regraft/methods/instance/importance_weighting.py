"""Deep training on weighted source examples."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.batch import Stream
from regraft.core.config import Choice, settings
from regraft.edits.freeze import Freeze
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import start
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Phase
from regraft.weightings._base import Weighting
from regraft.weightings.rulsif import Rulsif


@settings
class ImportanceWeighting(Method):
    """Learn the task on the source, each example counting as much as it is likely in the target.

    Weights are estimated once, from the features that training starts with. Labelled target examples, where there are
    some, add their own loss.
    Reference: Shimodaira, Improving predictive inference under covariate shift by weighting the log-likelihood
    function, JSPI 2000, eq. 3.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA})
    cost: ClassVar[float] = 2.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    weighting: Annotated[Weighting, Choice("weightings")] = Rulsif()
    """How much each source example counts."""
    target: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the loss on labelled target examples."""
    descent: Descent = Descent(rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = start(problem, self.target)
        terms["source"] = Weighted(term=Supervised(stream=Stream.SOURCE, weighting=self.weighting))
        return (Phase(edits=(head, Freeze(keep=None), SetNorm()), terms=terms, descent=self.descent),)
