"""What the source's own head says of the target, before any training."""

from typing import ClassVar

import numpy as np

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.scores._base import Evidence, Score


@settings
class ZeroShot(Score):
    """How far beyond chance the source's head, as it is, gives the target's labels; in [-1, 1].

    Classes and labels are matched by name (see `names.shared`), numbers by their unit; those that have no namesake
    count 0, and so does a source that names none. What is said before training needs no examples to be held out, and
    wrong names, which no score of features sees, show. Of classes: accuracy less that of a guess.
    Reference: the target error of what was learned on the source, Ben-David et al., A theory of learning from different
    domains, Machine Learning 2010, section 2.
    """

    scale_free: ClassVar[bool] = True
    labels: ClassVar[frozenset[Labels]] = frozenset(Labels)

    @property
    def needs(self) -> frozenset[str]:
        """The labels and what was recognised of them; features are not read."""
        return frozenset({"labels", "recognised"})

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return -1.0, 1.0

    def measure(self, evidence: Evidence) -> float:
        """The mean over examples."""
        assert evidence.recognised is not None  # checked: it is in ``needs``
        return float(evidence.recognised.mean())
