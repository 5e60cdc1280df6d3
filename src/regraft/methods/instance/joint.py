"""Source and target examples together."""

from typing import ClassVar

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Phase


@settings
class Joint(Method):
    """Minimise the loss on the source plus ``weight`` times the loss on the labelled target, from the source's weights.

    Domains that name the same classes share one head; otherwise each has its own over shared features.
    Reference: Caruana, Multitask learning, Machine Learning 1997; Daume, Frustratingly easy domain adaptation,
    ACL 2007, section 2 (the baseline that weighs the target).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA})
    cost: ClassVar[float] = 2.0
    weight: float = 10.0
    """Weight of the target's loss (the objective's lambda)."""
    descent: Descent = Descent(rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        terms = {
            "source": Weighted(term=Supervised(stream=Stream.SOURCE)),
            "target": Weighted(term=Supervised(), weight=self.weight),
        }
        return (Phase(edits=(NewHead(), Freeze(keep=None), SetNorm()), terms=terms, descent=self.descent),)
