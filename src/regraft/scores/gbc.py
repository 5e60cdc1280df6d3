"""How much the classes overlap, each taken for a normal cloud."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from regraft.core.config import settings
from regraft.scores._base import Evidence, Score, one_hot, spectrum


@settings
class Gbc(Score):
    """Gaussian Bhattacharyya coefficient: minus the overlap exp(-distance) summed over ordered pairs of classes.

    In [-C (C - 1), 0]. A class is a spherical normal distribution in the leading principal components. One with a
    single example has the mean variance of the others.

    Reference: Pándy et al., Transferability estimation using Bhattacharyya class separability, CVPR 2022, equations 3
    and 4, spherical covariances.
    """

    scale_free: ClassVar[bool] = True
    components: Annotated[int, Field(ge=1)] = 64
    """Principal components of the features, at most."""

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        count = len(np.unique(labels))
        return -float(count * (count - 1)), 0.0

    def measure(self, evidence: Evidence) -> float:
        """Minus the summed overlaps."""
        vectors, sigma = spectrum(evidence.features - evidence.features.mean(0))
        classes = one_hot(evidence.labels)
        sizes = classes.sum(0)
        if not len(sigma):
            return self.bounds(evidence.labels)[0]  # constant features: all is overlap
        x = (vectors * np.sqrt(sigma))[:, -self.components :]  # ascending
        means = classes.T @ x / sizes[:, None]
        inner = classes.T @ np.square(x - means[evidence.labels]).mean(1) / np.maximum(sizes - 1, 1)
        several = sizes > 1
        inner[~several] = inner[several].mean() if several.any() else 0.0
        inner = np.maximum(inner, 1e-9 * np.square(x).mean())
        both = (inner[:, None] + inner) / 2
        apart = np.square(means[:, None] - means).sum(2)
        distance = apart / both / 8 + x.shape[1] / 2 * np.log(both / np.sqrt(np.outer(inner, inner)))
        overlap = np.exp(-distance)
        return -float(overlap.sum() - np.trace(overlap))
