"""Gaussian kernels around a few centres."""

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from regraft.weightings._rows import some

_SEEN = 500
"""Examples of each domain by which the typical distance is measured, at most."""
SCALES = (0.1, 0.32, 1.0, 3.2, 10.0)
"""Values of gamma that are tried, times one over the median squared distance."""


def squared(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances (N, L) of examples (N, D) from centres (L, D)."""
    return np.asarray(euclidean_distances(x, centres, squared=True))


def typical(x: np.ndarray, y: np.ndarray) -> float:
    """One over the median squared distance between different examples of two domains; 1 where all are the same."""
    seen = np.concatenate([some(x, _SEEN), some(y, _SEEN)])
    seen = seen - seen.mean(0)  # distances do not change, but large common offsets would cost precision
    distances = euclidean_distances(seen, squared=True)[np.triu_indices(len(seen), 1)]
    apart = distances[distances > 1e-12 * (seen**2).sum(1).max()]  # copies, but for rounding
    return 1 / float(np.median(apart)) if len(apart) else 1.0


def candidates(gamma: float | None, x: np.ndarray, y: np.ndarray) -> list[float]:
    """The values of gamma to choose from: the one that is given, or `SCALES` around the typical one."""
    return [scale * typical(x, y) for scale in SCALES] if gamma is None else [gamma]
