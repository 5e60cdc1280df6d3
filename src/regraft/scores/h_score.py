"""Share of the features' variance that lies between the classes."""

from typing import ClassVar

import numpy as np

from regraft.core.config import settings
from regraft.scores._base import Evidence, Score, one_hot, shrinkage, spectrum


@settings
class HScore(Score):
    """Trace of the inverse covariance of the features times the covariance of their class means.

    In [0, C - 1], times N / (N - 1) when shrunk. With more features than examples the plain score is C - 1 for any
    features, noise included: keep it shrunk.

    Reference: Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019,
    the definition of the H-score; shrunk: Ibrahim et al., Newer is Not Always Better: Rethinking Transferability
    Metrics, their Peculiarities, Stability and Performance, ECML PKDD 2022, the shrinkage-based H-score.
    """

    scale_free: ClassVar[bool] = True

    shrink: bool = True
    """Shrink the covariance towards a multiple of the identity by the amount of Ledoit and Wolf."""

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return 0.0, (len(np.unique(labels)) - 1) * len(labels) / (len(labels) - 1)

    def measure(self, evidence: Evidence) -> float:
        """The score, in [0, C - 1]."""
        x = evidence.features - evidence.features.mean(0)
        vectors, sigma = spectrum(x)
        if not len(sigma):
            return 0.0  # constant features tell nothing
        amount = shrinkage(x, sigma / len(x)) if self.shrink else 0.0
        # All in the basis of the right singular vectors, where the covariance is diagonal and the rest of the D
        # dimensions hold no class means.
        variance = (1 - amount) * sigma / len(x) + amount * sigma.sum() / x.size
        classes = one_hot(evidence.labels)
        sizes = classes.sum(0)
        means = classes.T @ vectors * np.sqrt(sigma) / sizes[:, None]  # (C, R)
        score = (1 - amount) * (sizes @ np.square(means) / len(x) / variance).sum()
        # The shrunk covariance divides by N, that of the means by N - 1: so do the published values.
        return float(score * len(x) / (len(x) - 1) if self.shrink else score)
