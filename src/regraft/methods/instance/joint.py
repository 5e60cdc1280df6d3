"""Source and target examples together."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.learned_weight import LearnedWeight
from regraft.terms.supervised import Supervised
from regraft.training import Phase


@settings
class Joint(Method):
    """Minimise the loss on the source plus ``weight`` times that on the labelled target, and perhaps a regulariser.

    Training begins with the source's weights. The weight is fixed, grows, or both weights are learned.
    Reference: Caruana, Multitask learning, Machine Learning 1997; Daume, Frustratingly easy domain adaptation,
    ACL 2007, section 2 (the baseline that weighs the target); ``learned``: Kendall, Gal and Cipolla, Multi-task
    learning using uncertainty to weigh losses for scene geometry and semantics, CVPR 2018, eq. 10.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA})
    cost: ClassVar[float] = 2.0
    weight: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the target's loss (the objective's lambda)."""
    ramp: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the steps over which that weight grows from zero: the source first, then both."""
    learned: bool = False
    """Learn the weights of both losses instead, as their uncertainty (see `LearnedWeight`)."""
    shared: bool | None = None
    """One head for both domains, or one for each; None: one where they name the same classes."""
    regulariser: Weighted | None = None
    """A term that is added, with its weight: ``{"term": "stay_close", "weight": 0.01}``."""
    descent: Descent = Descent(rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        source, target = Supervised(stream=Stream.SOURCE, shared=self.shared), Supervised()
        if self.learned:
            terms = {n: Weighted(term=LearnedWeight(term=t)) for n, t in (("source", source), ("target", target))}
        else:
            lambda_ = Weighted(term=target, weight=self.weight, ramp=self.ramp)
            terms = {"source": Weighted(term=source), "target": lambda_}
        if self.regulariser is not None:
            terms["regulariser"] = self.regulariser
        return (Phase(edits=(NewHead(), Freeze(keep=None), SetNorm()), terms=terms, descent=self.descent),)
