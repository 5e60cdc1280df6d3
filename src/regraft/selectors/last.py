"""The last weights."""

from typing import ClassVar

from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.selectors._base import Seen, Selector


@settings
class Last(Selector):
    """No choice at all: the weights at the end are kept, whatever they are. What other rules have to beat."""

    labels: ClassVar[str] = "none"
    compares: ClassVar[bool] = False
    diverse: ClassVar[bool] = False

    def __call__(self, model: Model, problem: Problem) -> float:
        """See `Selector.__call__`; nothing is looked at."""
        return 0.0

    def measure(self, target: Seen, source: Seen | None) -> float:
        """See `Selector.measure`."""
        return 0.0

    def better(self, score: float, best: float) -> bool:
        """See `Selector.better`."""
        return True
