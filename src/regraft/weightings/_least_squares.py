"""What weightings that fit the ratio by least squares have in common."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.core.config import settings
from regraft.weightings._base import Weighting
from regraft.weightings._kernels import candidates, squared
from regraft.weightings._rows import dealt, some

_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties that are tried."""


@dataclass(frozen=True)
class _Sums:
    """Of each part of the examples: sums of kernel products (F, L, L) and of the target's kernels (F, L), and counts.

    All parts but one make a fit, and that one judges it, so one pass over the examples is enough for every penalty.
    """

    products: tuple[np.ndarray, np.ndarray]
    kernels: np.ndarray
    counts: tuple[np.ndarray, np.ndarray]

    def moments(self, chosen: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        """H (L, L) and h (L,) of the parts ``chosen`` (F,); ``share``: of the target in the denominator."""
        ours, theirs = (max(int(count[chosen].sum()), 1) for count in self.counts)
        source, target = (products[chosen].sum(0) for products in self.products)
        return (1 - share) * source / ours + share * target / theirs, self.kernels[chosen].sum(0) / theirs


@settings
class LeastSquares(Weighting):
    """The ratio as a sum of Gaussian kernels around target examples, with the least squared error."""

    gamma: Annotated[float, Field(gt=0)] | None = None
    """Of exp(-gamma |x - z|^2); None: chosen from five around one over the median squared distance."""
    penalty: Annotated[float, Field(gt=0)] | None = None
    """Of squared coefficients; None: chosen from five."""
    centres: Annotated[int, Field(ge=1)] = 100
    """Target examples that have a kernel, at most."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Parts of the examples for choosing."""

    def fit(self, source: np.ndarray, target: np.ndarray, share: float) -> np.ndarray:
        """Ratios (N,) of the target's density and a mixture, ``share`` of it the target and the rest the source."""
        centres = some(target, self.centres)
        far, near = squared(source, centres), squared(target, centres)
        parts = [dealt(x, min(self.folds, len(x))) for x in (source, target)]
        best: tuple[float, float, np.ndarray] = (np.inf, 0.0, np.empty(0))
        for gamma in candidates(self.gamma, source, target):
            sums = _summed(np.exp(-gamma * far), np.exp(-gamma * near), parts, share)
            every = np.ones(len(sums.kernels), dtype=bool)
            for penalty in _PENALTIES if self.penalty is None else (self.penalty,):
                error = np.mean(
                    [_error(sums, every & (np.arange(len(every)) == f), penalty, share) for f in every.nonzero()[0]]
                )
                if error < best[0]:
                    best = (float(error), gamma, solved(*sums.moments(every, share), penalty))
        return np.asarray(np.exp(-best[1] * far) @ best[2])


def solved(products: np.ndarray, kernels: np.ndarray, penalty: float) -> np.ndarray:
    """Coefficients (L,), none negative, from H (L, L) and h (L,)."""
    return np.maximum(np.linalg.solve(products + penalty * np.eye(len(kernels)), kernels), 0.0)


def _error(sums: _Sums, left: np.ndarray, penalty: float, share: float) -> float:
    """Squared error, up to a constant, on the parts ``left`` (F,) of a fit to the others."""
    theta = solved(*sums.moments(~left if len(left) > 1 else left, share), penalty)
    products, kernels = sums.moments(left, share)
    return float(theta @ products @ theta / 2 - kernels @ theta)


def _summed(far: np.ndarray, near: np.ndarray, parts: list[np.ndarray], share: float) -> _Sums:
    count = 1 + int(max(part.max() for part in parts))
    rows = [[x[part == f] for f in range(count)] for x, part in zip((far, near), parts, strict=True)]
    products = [np.stack([x.T @ x for x in of]) for of in rows] if share else [np.stack([x.T @ x for x in rows[0]])] * 2
    counts = [np.array([len(x) for x in of]) for of in rows]
    return _Sums((products[0], products[1]), np.stack([x.sum(0) for x in rows[1]]), (counts[0], counts[1]))
