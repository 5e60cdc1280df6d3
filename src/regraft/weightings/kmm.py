"""Kernel mean matching."""

from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.core.config import settings
from regraft.weightings._base import Weighting
from regraft.weightings._kernels import squared, typical
from regraft.weightings._rows import some

_STILL = 1e-6
"""Change of a step, relative to the weights, at which the fit is done."""


@settings
class Kmm(Weighting):
    """Give the weighted source the kernel mean of the target: a quadratic program over the weights.

    The program is solved by accelerated projected gradients, with the exact kernel matrix up to ``exact`` examples, and
    beyond that with the kernel that ``landmarks`` of both domains span (Nystroem), whose cost grows linearly.
    Reference: Huang et al., Correcting sample selection bias by unlabeled data, NIPS 2006, eq. 12; of landmarks:
    Williams and Seeger, Using the Nystroem method to speed up kernel machines, NIPS 2000.
    """

    gamma: Annotated[float, Field(gt=0)] | None = None
    """Of exp(-gamma |x - z|^2); None: one over the median squared distance."""
    bound: Annotated[float, Field(gt=1)] = 1000.0
    """The largest weight (the paper's B)."""
    slack: Annotated[float, Field(ge=0)] | None = None
    """How far the mean weight may be from one (the paper's epsilon); None: (sqrt(N) - 1) / sqrt(N)."""
    exact: Annotated[int, Field(ge=0)] = 2000
    """Source examples up to which the exact kernel matrix is used."""
    landmarks: Annotated[int, Field(ge=1)] = 300
    """Examples of each domain that span the kernel beyond that."""
    steps: Annotated[int, Field(ge=1)] = 2000
    """Steps of the solver, at most."""

    def estimate(self, source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """See `Weighting.estimate`."""
        gamma, count = typical(source, target) if self.gamma is None else self.gamma, len(source)
        slack = 1 - count**-0.5 if self.slack is None else self.slack
        if count <= self.exact:
            kernel = np.exp(-gamma * squared(source, source))
            means = np.concatenate([np.exp(-gamma * squared(part, target)).mean(1) for part in _blocks(source)])
            program = _Program(kernel, None, count * means, (self.bound, slack))
        else:
            centres = np.concatenate([some(source, self.landmarks), some(target, self.landmarks)])
            values, vectors = np.linalg.eigh(np.exp(-gamma * squared(centres, centres)))
            kept = values > 1e-10 * values[-1]
            span = vectors[:, kept] / np.sqrt(values[kept])
            ours, theirs = (np.exp(-gamma * squared(x, centres)) @ span for x in (source, target))
            program = _Program(ours, ours.T, count * (ours @ theirs.mean(0)), (self.bound, slack))
        return program.solved(self.steps)


class _Program:
    """Half w' K w - k' w, to be lowered over 0 <= w <= bound with a mean that is within ``slack`` of one.

    K is ``left`` (N, N), or ``left`` (N, R) times ``right`` (R, N).
    """

    def __init__(
        self, left: np.ndarray, right: np.ndarray | None, means: np.ndarray, limits: tuple[float, float]
    ) -> None:
        self.left, self.right, self.means = left, right, means
        self.bound, self.slack = limits

    def times(self, w: np.ndarray) -> np.ndarray:
        """K w (N,)."""
        return np.asarray(self.left @ (w if self.right is None else self.right @ w))

    def solved(self, steps: int) -> np.ndarray:
        """The weights (N,).

        Reference: Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm, SIAM Journal on Imaging
        Sciences 2009, section 4; restarted where it would climb (O'Donoghue and Candes 2015, gradient scheme).
        """
        here = ahead = np.ones(len(self.means))
        rate, pace = 1 / self._largest(), 1.0
        for _ in range(steps):
            there = self._nearest(ahead - rate * (self.times(ahead) - self.means))
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
        vector = np.ones(len(self.means))
        for _ in range(20):
            vector = self.times(vector / np.linalg.norm(vector))
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


def _blocks(x: np.ndarray, size: int = 500) -> list[np.ndarray]:
    return np.array_split(x, max(1, len(x) // size))
