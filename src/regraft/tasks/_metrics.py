"""What the metrics of several tasks share; examples count as often as weights (R, N) say, one row a resample."""

from collections.abc import Callable

import numpy as np

THRESHOLD = 0.5
"""A label is given where its probability is above this; it is not tuned."""
_SHARPNESS = np.geomspace(0.05, 20, 61)


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean (R,) of values (N,)."""
    return np.asarray(weights @ values / weights.sum(1))


def f1(hits: np.ndarray, real: np.ndarray, said: np.ndarray) -> np.ndarray:
    """F1 of counts of any shape: right answers, true ones and given ones; 0 where there is nothing to count."""
    return np.divide(2 * hits, real + said, out=np.zeros_like(hits, dtype=float), where=real + said > 0)


def average_precision(score: np.ndarray, held: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision (R,) of one label: scores (N,), whether examples have it (N,); not a number where none has.

    Examples of one score are ranked together.
    Reference: Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, section 8.4.
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=np.nan) != 0)
    hits = (weights[:, order] * held[order]).cumsum(1)[:, last].astype(float)
    precision = np.divide(hits, weights[:, order].cumsum(1)[:, last], out=np.zeros_like(hits), where=hits > 0)
    total = hits[:, -1]
    summed = (precision * np.diff(hits, axis=1, prepend=0)).sum(1)
    return np.divide(summed, total, out=np.full(len(total), np.nan), where=total > 0)


def label_f1(score: np.ndarray, held: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 (R,) of one label; not a number where no example has it."""
    given, real = (score > THRESHOLD).astype(float), weights @ held
    return np.where(real > 0, f1(weights @ (given * held), real, weights @ given), np.nan)


def calibration(confidence: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean gap (R,) between confidence (N, L) and share of truth (N, L) over 15 bins of equal width of the former.

    Reference: Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3.
    """
    bins = 15
    gap, place = truth - confidence, np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.stack([(gap * (place == b)).sum(1) for b in range(bins)], 1)
    return np.asarray(np.abs(weights @ gaps).sum(1) / (weights.sum(1) * confidence.shape[1]))


def tempered(likelihood: Callable[[float], np.ndarray]) -> np.ndarray:
    """Log-likelihoods (N,) at the factor on the logits that suits best.

    So models that differ only in how sure they sound are equal.
    Reference: Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2.
    """
    best: np.ndarray = max((likelihood(float(sharpness)) for sharpness in _SHARPNESS), key=np.mean)
    return best
