"""How large the network is."""

from typing import ClassVar

import numpy as np

from regraft.core.config import settings
from regraft.scores._base import Evidence, Score


@settings
class Prior(Score):
    """The logarithm of the number of weights: what any score must beat to be believed. It looks at no example.

    On the usual benchmarks a fixed order of networks by size predicts transfer better than LogME does.

    Reference: Singh, Hess and Vanschoren, How not to benchmark your SITE metric, ICLR 2026.
    """

    scale_free: ClassVar[bool] = True

    @property
    def needs(self) -> frozenset[str]:
        """The number of weights alone."""
        return frozenset({"parameters"})

    def measure(self, evidence: Evidence) -> float:
        """The natural logarithm."""
        assert evidence.parameters is not None  # checked: it is in ``needs``
        return float(np.log(max(evidence.parameters, 1)))
