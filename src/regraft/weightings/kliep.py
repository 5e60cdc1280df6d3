"""Fit a mixture of kernels to the target, relative to the source."""

from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.core.config import settings
from regraft.weightings._base import Weighting
from regraft.weightings._kernels import candidates, squared
from regraft.weightings._rows import dealt, order, some

_LEAST = 1e-100
"""Instead of zero, where a kernel has no reach."""
_ROUNDS = 10_000
"""Steps of the fit, at most."""
_SEEN = 2000
"""Target examples that choose the width, at most."""


@settings
class Kliep(Weighting):
    """Kullback-Leibler importance estimation: the likeliest ratio for the target that averages one on the source.

    The ratio is a sum of Gaussian kernels around target examples. The objective is concave and that of mixture
    proportions, so expectation maximisation fits it: each step raises it and keeps the average, there is no step
    size, and how much is left to gain is known. The kernels' width has the largest cross-validated likelihood.
    Reference: Sugiyama et al., Direct importance estimation for covariate shift adaptation, AISM 2008, eq. 9 and
    section 2.3 (the choice of width).
    """

    gamma: Annotated[float, Field(gt=0)] | None = None
    """Of exp(-gamma |x - z|^2); None: the likeliest of five around one over the median squared distance."""
    centres: Annotated[int, Field(ge=1)] = 100
    """Target examples that have a kernel, at most."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Parts of the target for choosing the width."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    """By how much the mean log likelihood may be short of the best; ten times that while choosing."""

    def estimate(self, source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """See `Weighting.estimate`."""
        centres = some(target, self.centres)
        far, near = squared(source, centres), squared(target, centres)
        tried = candidates(self.gamma, source, target)
        if len(tried) > 1:
            seen = order(target)[:_SEEN]
            part, few = dealt(target[seen], min(self.folds, len(seen))), near[seen]
            tried = [max(tried, key=lambda gamma: self._likelihood(np.exp(-gamma * few), _means(gamma, far), part))]
        kernels, means = np.exp(-tried[0] * near), _means(tried[0], far)
        return np.asarray(np.exp(-tried[0] * far) @ fitted(kernels, means, self.tolerance))

    def _likelihood(self, kernels: np.ndarray, means: np.ndarray, part: np.ndarray) -> float:
        """Mean log ratio of target examples that were left out."""
        found = np.empty(len(kernels))
        for fold in np.unique(part):
            left = part == fold
            learn = kernels if left.all() else kernels[~left]
            found[left] = _ratios(kernels[left], fitted(learn, means, 10 * self.tolerance))
        return float(np.log(found).mean())


def fitted(kernels: np.ndarray, means: np.ndarray, tolerance: float) -> np.ndarray:
    """Coefficients (L,), with ``means`` (L,) @ coefficients one, that make target examples likeliest.

    ``kernels`` (M, L): of target examples and centres; ``means``: the kernels' averages on the source.
    Reference: Varadhan and Roland, Simple and globally convergent methods for accelerating the convergence of any EM
    algorithm, Scandinavian Journal of Statistics 2008, eq. 7 and 8 (SqS3); of the gap: Lindsay, The geometry of mixture
    likelihoods, Annals of Statistics 1983, section 4.
    """
    scaled = kernels / means  # the components of a mixture, of which shares are the proportions

    def step(shares: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The shares after a step, the mean log likelihood before it, and by how much the best may be larger."""
        ratios = _ratios(scaled, shares)
        slopes = scaled.T @ (1 / ratios) / len(scaled)
        after = shares * slopes
        return after / after.sum(), float(np.log(ratios).mean()), float(slopes.max() - 1)

    here = np.full(len(means), 1 / len(means))
    one, least, gap = step(here)
    for _ in range(_ROUNDS):
        if gap < tolerance:
            break
        two, _, _ = step(one)
        change, bend = one - here, two - 2 * one + here
        length = np.linalg.norm(change) / max(float(np.linalg.norm(bend)), 1e-300)
        far = np.maximum(here + 2 * length * change + length**2 * bend, two / 10)
        after, reached, gap = step(far / far.sum())
        here = far / far.sum()
        if reached < least:  # it went too far
            here = two
            after, reached, gap = step(two)
        one, least = after, reached
    return np.asarray(here / means)


def _ratios(kernels: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return np.maximum(kernels @ coefficients, _LEAST)


def _means(gamma: float, far: np.ndarray) -> np.ndarray:
    return np.maximum(np.exp(-gamma * far).mean(0), _LEAST)
