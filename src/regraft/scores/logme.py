"""Evidence of the labels under all linear maps of the features."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.scores._base import Evidence, Score, classified, one_hot, spectrum

_GOLDEN = (5**0.5 - 1) / 2
_STEPS = 30  # each shrinks the bracket of ln tau by the golden ratio: from 0.7 to below 1e-6


@settings
class Logme(Score):
    """Mean log evidence per example of Bayesian linear regression on each class indicator; no centring, no intercept.

    Numbers, and the labels of sets, are standardised and take the place of the indicators.

    The evidence is integrated over the weights exactly and maximised over the two precisions (prior alpha, noise beta).
    In the eigenbasis of F F' the labels are independent normals of variance (1 + sigma_i / tau) / beta with
    tau = alpha / beta and sigma_i = 0 beyond the rank of F, so beta has a closed form and tau a line search. This is
    the paper's objective at its maximum; the fixed-point iteration that the paper uses approaches it from below.

    Reference: You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML 2021,
    algorithm 1 (the evidence is its last line).
    """

    scale_free: ClassVar[bool] = True
    labels: ClassVar[frozenset[Labels]] = frozenset(Labels)

    def measure(self, evidence: Evidence) -> float:
        """The evidence, in nats per example and class; unbounded."""
        targets = one_hot(evidence.labels) if classified(evidence.labels) else evidence.labels
        return float(_log_evidence(evidence.features, targets).mean())


def _log_evidence(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Largest log evidence per example, (C,), of ``targets`` (N, C) given ``features`` (N, D)."""
    vectors, sigma = spectrum(features)
    energy = np.square(vectors.T @ targets).T  # (C, R), along each singular vector
    total = np.square(targets).sum(0)
    # Labels in the span leave only rounding outside it; a floor keeps a perfect fit finite where features repeat.
    outside = np.maximum(total - energy.sum(1), 1e-12 * total) * (len(sigma) < len(targets))

    def evidence(log_tau: np.ndarray) -> np.ndarray:
        spread = 1 + sigma / np.exp(log_tau)[:, None]  # (C, R)
        variance = (outside + (energy / spread).sum(1)) / len(targets)  # 1 / beta at its maximum
        return -0.5 * (np.log(2 * np.pi * np.e * variance) + np.log(spread).sum(1) / len(targets))

    return _maximum(evidence, sigma, len(total))


def _maximum(evidence: Callable[[np.ndarray], np.ndarray], sigma: np.ndarray, count: int) -> np.ndarray:
    """Largest value, (C,), over ln tau: a grid finds the highest hill, golden sections its top."""
    middle = np.log(sigma.mean()) if len(sigma) else 0.0
    grid = middle + np.linspace(-25, 25, 143)
    best = grid[np.argmax([evidence(np.full(count, t)) for t in grid], axis=0)]
    low, high = best - 0.36, best + 0.36
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        rising = evidence(left) < evidence(right)
        low, high = np.where(rising, left, low), np.where(rising, high, right)
    return evidence((low + high) / 2)
