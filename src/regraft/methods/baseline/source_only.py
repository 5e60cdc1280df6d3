"""The source as it is: the baseline where the target has no labels."""

from typing import ClassVar

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.edits.keep_head import KeepHead
from regraft.methods._base import Method
from regraft.model import Problem
from regraft.training import Phase


@settings
class SourceOnly(Method):
    """Use the source's model on the target as it is, its classes matched by name. Nothing is trained.

    It never answers with a class that the source does not name.

    Reference: Ganin et al., Domain-adversarial training of neural networks, JMLR 2016, section 5.2 ("source only").
    """

    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})
    cost: ClassVar[float] = 0.0
    tunes: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    opens: ClassVar[bool] = True

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (Phase(edits=(KeepHead(lacking="silent"),)),)
