"""Estimate both densities, and divide."""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import logsumexp

from regraft.core.config import settings
from regraft.weightings._base import Weighting
from regraft.weightings._kernels import squared
from regraft.weightings._rows import order


@settings
class KernelDensity(Weighting):
    """The ratio of two kernel density estimates with one bandwidth, along the first principal components.

    Densities of hundreds of features cannot be estimated, so few components are kept, scaled to unit variance. The
    bandwidth is that of Scott's rule for the smaller domain. An example counts in the density of its own domain, or
    one that is far from all others would weigh more than they do together.
    Reference: Shimodaira, Improving predictive inference under covariate shift, JSPI 2000; of the bandwidth: Scott,
    Multivariate density estimation, 1992, section 6.
    """

    components: Annotated[int, Field(ge=1)] = 5
    """Principal components of both domains together, at most."""
    centres: Annotated[int, Field(ge=2)] = 2000
    """Examples of each domain that have a kernel, at most."""

    def estimate(self, source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """See `Weighting.estimate`."""
        x, y = self._reduced(source, target)
        kernels = order(source)[: self.centres]
        ours, theirs = x[kernels], y[order(target)[: self.centres]]
        # Where either domain would be likeliest is narrower, and the ratio then rests on a handful of examples.
        width = min(len(ours), len(theirs)) ** (-1 / (x.shape[1] + 4))
        there, here = (_log_density(x, centres, width) for centres in (theirs, ours))
        others = np.setdiff1d(np.arange(len(x)), kernels)
        here[others] = np.logaddexp(here[others], 0)  # their own kernels, which those of `ours` have already
        log = np.clip(there - here, -50, 50)
        return np.asarray(np.exp(log - log.max()))

    def _reduced(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = np.concatenate([source, target])
        mean = both.mean(0)
        values, vectors = np.linalg.eigh(np.cov(both.T).reshape(both.shape[1], -1))
        kept = values[-self.components :] > 1e-12 * max(values[-1], 1e-300)
        if not kept.any():
            return np.zeros((len(source), 1)), np.zeros((len(target), 1))
        axes = vectors[:, -self.components :][:, kept] / np.sqrt(values[-self.components :][kept])
        return (source - mean) @ axes, (target - mean) @ axes


def _log_density(x: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    """Log density (N,), up to a constant, of examples (N, C) by kernels around ``centres``."""
    parts = np.array_split(x, max(1, len(x) // 2000))
    return np.concatenate([logsumexp(-squared(part, centres) / (2 * width**2), axis=1) for part in parts])
