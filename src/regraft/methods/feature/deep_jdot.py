"""Deep joint distribution optimal transport."""

from collections.abc import Mapping
from typing import ClassVar

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.methods.feature._adapted import Adapted
from regraft.terms._base import Weighted
from regraft.terms.transport import Transport


@settings
class DeepJdot(Adapted):
    """Learn the task on the source while it becomes cheap to carry its features and labels to the target.

    Reference: Damodaran et al., DeepJDOT, ECCV 2018, section 3.
    """

    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})

    def adapting(self) -> Mapping[str, Weighted]:
        """See `Adapted.adapting`."""
        return {"transport": Weighted(term=Transport(), weight=self.weight)}
