"""Coding rate saved by knowing the classes."""

from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.core.config import settings
from regraft.scores._base import Evidence, Score
from regraft.scores._probe import along

_SHUFFLES = 10  # of the labels, to see what any labels would save


@settings
class Transrate(Score):
    """Coding rate of all features less the mean coding rate within the classes; depends on the scale of the features.

    Classes count by their size. The published score, ``corrected = False``, codes each class about the mean of all
    examples, so of two balanced classes it sees nothing; and with more features than examples any labels save much, so
    noise can win. Corrected, each class is coded about its own mean, and what shuffled labels save is taken off.

    Reference: Huang et al., Frustratingly Easy Transferability Estimation, ICML 2022, its coding rate R(Z, epsilon).
    """

    distortion: Annotated[float, Field(gt=0)] = 1e-4
    """Squared error allowed to the code."""
    corrected: bool = True
    """Code classes about their own means, and take off what shuffled labels save."""

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return (-np.inf if self.corrected else 0.0), np.inf

    def measure(self, evidence: Evidence) -> float:
        """The rate, in nats."""
        x, labels = evidence.features - evidence.features.mean(0), evidence.labels
        if not self.corrected:
            return self._rate(x) - self._within(x, labels)
        order = np.argsort(along(x, 0), kind="stable")  # what is random follows the order of the rows
        x, labels = x[order], labels[order]
        rng = np.random.default_rng(0)
        shuffled = [self._within(x, rng.permutation(labels)) for _ in range(_SHUFFLES)]
        return float(np.mean(shuffled)) - self._within(x, labels)

    def _within(self, x: np.ndarray, labels: np.ndarray) -> float:
        """The mean rate of the classes, by their size."""
        sizes, members = np.bincount(labels), [x[labels == c] for c in range(labels.max() + 1)]
        within = [self._rate(m - m.mean(0) if self.corrected else m) for m in members]
        return float(sizes @ np.array(within)) / len(x)

    def _rate(self, x: np.ndarray) -> float:
        """Half the log-determinant of I + x'x / (N distortion)."""
        gram = x @ x.T if len(x) <= x.shape[1] else x.T @ x
        _, log_determinant = np.linalg.slogdet(np.eye(len(gram)) + gram / (len(x) * self.distortion))
        return float(log_determinant) / 2
