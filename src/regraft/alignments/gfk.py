"""The geodesic flow kernel."""

from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.alignments._base import Aligned, Alignment
from regraft.alignments._moments import centring, principal
from regraft.core.config import settings


@settings
class Gfk(Alignment):
    """Features whose inner products are those over all subspaces on the way from the source's to the target's.

    The integral over the way is known in closed form; it needs as many dimensions as both subspaces have together,
    which are all that is computed with.
    Reference: Gong, Shi, Sha and Grauman, Geodesic flow kernel for unsupervised domain adaptation, CVPR 2012, eqs. 5-6.
    """

    components: Annotated[int, Field(ge=1)] = 20
    """Dimensions of the subspaces; fewer when a domain has fewer."""
    centre: bool = True
    """Centre each domain by itself first, as the paper does by standardising it. The subspaces are of centred domains
    in either case."""

    def align(self, source: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> Aligned:
        """See `Alignment.align`."""
        weight = flow(principal(source, self.components), principal(target, self.components))
        return Aligned(*(centring(x, weight, self.centre) for x in (source, target)))


def flow(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """F (D, 2E) with F F' the geodesic flow kernel between two subspaces, given by orthonormal bases (D, E).

    Where one has more dimensions, its nearest to the other are used.
    """
    turn, cosines, back = np.linalg.svd(ours.T @ theirs, full_matrices=False)
    angles = np.arccos(np.clip(cosines, 0.0, 1.0))
    start, end = ours @ turn, theirs @ back.T
    away = end - start * np.cos(angles)  # of length sin(angle), orthogonal to the start
    sines = np.linalg.norm(away, axis=0)
    away = away / np.where(sines > 1e-9, sines, 1.0) * (sines > 1e-9)
    ratio = np.sinc(2 * angles / np.pi)  # sin(2 t) / (2 t)
    slope = np.divide(np.sin(angles) ** 2, angles, out=np.zeros_like(angles), where=angles > 0)
    # At angle t the flow is start cos(st) + away sin(st); integrals over s in [0, 1] of its products, two by two.
    blocks = np.stack([np.stack([1 + ratio, slope], -1), np.stack([slope, 1 - ratio], -1)], -1) / 2
    values, vectors = np.linalg.eigh(blocks)
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.concatenate([start * roots[:, 0, k] + away * roots[:, 1, k] for k in (0, 1)], 1)
