"""A linear layer on frozen features, trained by descent."""

from typing import ClassVar

from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.methods._base import Method
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Phase


@settings
class LinearProbe(Method):
    """Freeze the source's features and train a new head on a few remembered variants of each picture.

    Reference: Alain and Bengio, Understanding intermediate layers using linear classifier probes, ICLR workshops 2017.
    """

    cost: ClassVar[float] = 0.07
    tunes: ClassVar[bool] = False
    descent: Descent = Descent(rate=1e-2, views=4)
    """How to train the head."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        edits = (NewHead(), Freeze())
        return (Phase(edits=edits, terms={"task": Weighted(term=Supervised())}, descent=self.descent),)
