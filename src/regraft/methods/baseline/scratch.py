"""No transfer: the baseline."""

from typing import ClassVar

from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.edits.reset import Reset
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Phase


@settings
class Scratch(Method):
    """Train the same architecture on the labelled target alone, from random weights, with the same number of steps.

    Reference: He, Girshick and Dollar, Rethinking ImageNet pre-training, ICCV 2019.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    descent: Descent = Descent(rate=3e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        edits = (Reset(), NewHead(reuse=False, hurried=False), Freeze(keep=None), SetNorm(frozen=False))
        return (Phase(edits=edits, terms={"task": Weighted(term=Supervised())}, descent=self.descent),)
