"""What scores that fit a classifier share: how examples are dealt into folds, and a penalised logistic regression."""

import numpy as np
from scipy.optimize import minimize

from regraft.scores._base import spectrum

_CURVATURE = 0.03  # a typical second derivative of the loss per example: one half at the start, near zero at the end


def along(x: np.ndarray, seed: int) -> np.ndarray:
    """Where each row of ``x`` (N, D) lies in a random direction, (N,): the same wherever it stands among the rows."""
    direction = np.random.default_rng(seed).standard_normal(x.shape[1])
    return np.array([row @ direction for row in x])  # one at a time: a matrix product rounds by position


def dealt(x: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The fold (N,) that tests each row; -1 for the only row of its class.

    Rows are dealt class by class in the order of a random projection: neither the order of the rows, nor the names of
    the classes, nor the scale of the features changes which rows share a fold.
    """
    key = along(x, seed)
    first = [key[labels == c].min() for c in range(labels.max() + 1)]
    rank = np.lexsort((first, -np.bincount(labels))).argsort()
    order = np.lexsort((key, rank[labels]))
    fold = np.full(len(x), -1)
    several = order[np.bincount(labels)[labels[order]] > 1]
    fold[several] = np.arange(len(several)) % count
    return fold


def standardised(train: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both matrices by the mean and deviation of ``train``, over the root of the width; constant columns are zero."""
    mean, deviation = train.mean(0), train.std(0)
    # Rounding leaves a tiny deviation to a constant column; dividing by it would make a feature of noise.
    varies = deviation > 1e-10 * np.abs(train).max(0)
    scale = varies / np.where(varies, deviation, 1) / np.sqrt(max(1, varies.sum()))
    return (train - mean) * scale, (other - mean) * scale


def in_span(train: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (N, R) and (M, R) of both along the principal axes of ``train``; penalised fits are the same."""
    vectors, sigma = spectrum(train)
    return vectors * np.sqrt(sigma), other @ (train.T @ vectors) / np.sqrt(sigma)


def fit(x: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Weights (1 + R, C), the free intercept first, that minimise summed cross-entropy and penalty.

    ``x`` (N, R) has orthogonal columns, so scaling each by its share of the curvature conditions the problem.
    """
    x = np.hstack([np.ones((len(x), 1)), x])
    decay = np.full((x.shape[1], 1), penalty)
    decay[0] = 0
    scale = 1 / np.sqrt(decay[:, 0] + _CURVATURE * np.square(x).sum(0))
    x, decay = x * scale, decay * np.square(scale)[:, None]
    shape = (x.shape[1], targets.shape[1])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        scores = x @ weights
        scores -= scores.max(1, keepdims=True)
        odds = np.exp(scores)
        total = odds.sum(1, keepdims=True)
        pull = decay * weights
        value = np.log(total).sum() - (targets * scores).sum() + 0.5 * (pull * weights).sum()
        return float(value), (x.T @ (odds / total - targets) + pull).ravel()

    options = {"maxiter": 500, "gtol": 1e-5, "ftol": 1e-13}
    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x.reshape(shape) * scale[:, None])
