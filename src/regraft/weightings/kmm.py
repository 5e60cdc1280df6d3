"""Kernel mean matching."""

from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.core.config import settings
from regraft.weightings._base import Weighting
from regraft.weightings._kernels import squared, typical
from regraft.weightings._rows import dealt, some

_STILL = 1e-5
"""Change of a step, relative to the weights, at which the fit is done."""
_SINGLE = 50.0
"""Squared distance from the middle, in kernel widths, below which resemblance is measured in single precision: it is
twice as fast, and rounding changes no kernel by more than about 1e-5 of itself.
"""
_FEW = 500
"""Examples up to which the program is solved in double precision, as that is quick enough."""


@settings
class Kmm(Weighting):
    """Give the weighted source the kernel mean of the target: a quadratic program over the weights.

    The program is solved by accelerated projected gradients. A large source is dealt into parts, each of which is
    matched to the target for itself, so that cost grows linearly; the weights are less sparse than those of the whole.
    Reference: Huang et al., Correcting sample selection bias by unlabeled data, NIPS 2006, eq. 12.
    """

    gamma: Annotated[float, Field(gt=0)] | None = None
    """Of exp(-gamma |x - z|^2); None: one over the median squared distance."""
    bound: Annotated[float, Field(gt=1)] = 1000.0
    """The largest weight (the paper's B)."""
    slack: Annotated[float, Field(ge=0)] | None = None
    """How far the mean weight may be from one (the paper's epsilon); None: (sqrt(N) - 1) / sqrt(N)."""
    part: Annotated[int, Field(ge=2)] = 1000
    """Source examples that are matched at once, about; from twice as many on, they are dealt into parts."""
    seen: Annotated[int, Field(ge=1)] = 10_000
    """Target examples that they are matched to, at most."""
    steps: Annotated[int, Field(ge=1)] = 2000
    """Steps of the solver, at most."""

    def estimate(self, source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """See `Weighting.estimate`."""
        gamma = typical(source, target) if self.gamma is None else self.gamma
        parts, weights = dealt(source, max(1, len(source) // self.part)), np.ones(len(source))
        seen = some(target, self.seen)
        source, seen = (gamma**0.5 * (of - seen.mean(0)) for of in (source, seen))  # distances do not change
        far = max((source**2).sum(1).max(), (seen**2).sum(1).max())
        seen = seen.astype(np.float32 if far < _SINGLE else np.float64)
        for part in np.unique(parts):
            x = source[parts == part]
            means = np.concatenate([_resemblance(rows.astype(seen.dtype), seen) for rows in _blocks(x)])
            slack = 1 - len(x) ** -0.5 if self.slack is None else self.slack
            program = _Program(np.exp(-squared(x, x)), len(x) * means, (self.bound, slack))
            weights[parts == part] = program.solved(self.steps)
        return weights


class _Program:
    """Half w' K w - k' w, to be lowered over 0 <= w <= bound with a mean that is within ``slack`` of one."""

    def __init__(self, kernel: np.ndarray, means: np.ndarray, limits: tuple[float, float]) -> None:
        self.kind = np.float32 if len(means) > _FEW else np.float64  # each step reads all of K
        self.kernel, self.means = kernel.astype(self.kind), means
        self.bound, self.slack = limits

    def solved(self, steps: int) -> np.ndarray:
        """The weights (N,).

        Reference: Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm, SIAM Journal on Imaging
        Sciences 2009, section 4; restarted where it would climb (O'Donoghue and Candes 2015, gradient scheme).
        """
        here = ahead = np.ones(len(self.means))
        rate, pace = 1 / self._largest(), 1.0
        for _ in range(steps):
            there = self._nearest(ahead - rate * (self.kernel @ ahead.astype(self.kind) - self.means))
            moved = there - here
            if (ahead - there) @ moved > 0:
                pace, ahead = 1.0, here
                there, moved = here, np.ones(1)
            else:
                after = (1 + (1 + 4 * pace**2) ** 0.5) / 2
                pace, ahead = after, there + (pace - 1) / after * moved
            here = there
            if np.abs(moved).max() < _STILL:
                break
        return here

    def _largest(self) -> float:
        """A little more than the largest eigenvalue of K, by the power method."""
        vector: np.ndarray = np.ones(len(self.means), self.kind)
        for _ in range(20):
            vector = self.kernel @ (vector / np.linalg.norm(vector))
        return 1.05 * float(np.linalg.norm(vector))

    def _nearest(self, w: np.ndarray) -> np.ndarray:
        """The weights that are allowed nearest to ``w``: what is over the limits, after a shift where the mean is."""
        mean = np.clip(w, 0, self.bound).mean()
        wanted = float(np.clip(mean, 1 - self.slack, 1 + self.slack))
        if mean == wanted:
            return np.clip(w, 0, self.bound)
        low, high = -w.max(), self.bound - w.min()
        for _ in range(60):
            shift = (low + high) / 2
            low, high = (shift, high) if np.clip(w + shift, 0, self.bound).mean() < wanted else (low, shift)
        return np.clip(w + high, 0, self.bound)


def _resemblance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean (N,) of exp(-|x - y|^2) of examples x (N, D) over all of y (M, D)."""
    found = x @ y.T
    found *= 2
    found -= (x**2).sum(1)[:, None]
    found -= (y**2).sum(1)
    return np.asarray(np.exp(np.minimum(found, 0, out=found), out=found).mean(1, dtype=np.float64))


def _blocks(x: np.ndarray, size: int = 500) -> list[np.ndarray]:
    return np.array_split(x, max(1, len(x) // size))
