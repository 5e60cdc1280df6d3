"""Count the target examples that lie nearest to each source example."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.neighbors import NearestNeighbors

from regraft.core.config import settings
from regraft.weightings._base import Weighting
from regraft.weightings._rows import along

_FEW, _BLOCK = 15, 1000
_ROUNDING = 1e-6
"""Of an inner product in single precision, relative to both lengths, with some to spare."""


@settings
class NearestNeighbour(Weighting):
    """The volume of a source example's Voronoi cell as the target sees it: how many target examples fall into it.

    One is added to each count (Laplace), so that no example is lost altogether.
    Reference: Loog, Nearest neighbor-based importance weighting, MLSP 2012, section 2.
    """

    smoothing: Annotated[float, Field(ge=0)] = 1.0
    """What is added to each count."""

    def estimate(self, source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """See `Weighting.estimate`. Equal source examples share their count."""
        _, first, cell = np.unique(along(source), return_index=True, return_inverse=True)
        held = np.bincount(_nearest(target, source[first]), minlength=len(first))
        return np.asarray((held / np.bincount(cell))[cell] + self.smoothing)


def _nearest(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Which of ``places`` (L, D) is nearest to each of ``x`` (N, D): (N,).

    Few features go through a tree. Of more, single precision leaves few places that may be the nearest, in half the
    time, and double precision decides among these.
    """
    if x.shape[1] <= _FEW:
        return np.asarray(NearestNeighbors(n_neighbors=1).fit(places).kneighbors(x, return_distance=False)[:, 0])
    x, places = x - places.mean(0), places - places.mean(0)
    rough, half, found = places.astype(np.float32).T, (places**2).sum(1) / 2, np.empty(len(x), dtype=int)
    longest = np.sqrt(2 * half.max())
    for rows in np.array_split(np.arange(len(x)), -(-len(x) // _BLOCK)):
        block = x[rows]
        near = block.astype(np.float32) @ rough - half.astype(np.float32)  # (|x|^2 - the squared distance) / 2
        doubt = _ROUNDING * (longest + np.linalg.norm(block, axis=1)) * longest
        at, of = np.nonzero(near >= (near.max(1) - doubt)[:, None])
        if len(at) > _FEW * len(rows):  # far from everything, or many places all but the same
            found[rows] = (block @ places.T - half).argmax(1)
            continue
        exact = np.einsum("ij,ij->i", block[at], places[of]) - half[of]
        best = np.lexsort((-exact, at))
        found[rows] = of[best][np.unique(at, return_index=True)[1]]
    return found
