"""Fold the scaling of features into a linear layer, so that a fitted estimator is one ordinary layer."""

from typing import Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from regraft.core.arrays import radius
from regraft.core.errors import CandidateError

Sample = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Features (N, D), labels and, unless all count the same, weights (N,), as heads are fitted to them."""


class Separator(Protocol):
    """An estimator of scikit-learn that separates classes by planes."""

    coef_: np.ndarray
    intercept_: np.ndarray
    classes_: np.ndarray

    def fit(self, features: np.ndarray, labels: np.ndarray, sample_weight: np.ndarray | None) -> object:
        """Fit on features (N, D) and labels (N,), each example counting as its weight (N,) says."""

    def set_params(self, **options: object) -> object:
        """Change options."""


def balance(weights: np.ndarray | None) -> str | None:
    """How an estimator of scikit-learn weighs classes beside ``weights`` (N,): alike where there are none."""
    return "balanced" if weights is None else None


def planes(model: Separator, sample: Sample, outputs: int, sharpness: float = 1.0) -> nn.Linear:
    """The layer of ``model`` fitted on centred and scaled features; its planes, times ``sharpness``, give the logits.

    Labels (N,) are classes, or (N, Z) sets, which are fitted one label at a time.
    """
    features, labels, weights = sample
    mean, deviation = moments(features)
    x = (features - mean) / deviation
    with threadpool_limits(1):  # waking threads costs more than so little arithmetic
        if labels.ndim == 2:
            rows = [_one(model, (x, held, weights), sharpness) for held in labels.T]
            return layer(np.stack([w for w, _ in rows]), np.array([b for _, b in rows]), mean, deviation)
        if (labels == labels[0]).all():
            raise CandidateError("all examples are of one class, so nothing tells it from others; knn can do with that")
        model.fit(x, labels, weights)
    fitted = spread(model.coef_ * sharpness, model.intercept_ * sharpness, model.classes_, outputs)
    return layer(*fitted, mean, deviation)


def rarity(labels: np.ndarray) -> np.ndarray:
    """How much an example that has a label weighs against one that lacks it, for each label of sets (N, Z).

    The root of how many lack it for one that has it: at a probability of one half it is then given about where F1 asks
    for it. Unweighted, rare labels are never given; weighted in full, they are given too often.
    Reference: Lipton, Elkan and Naryanaswamy, Optimal thresholding of classifiers to maximize F1 measure, ECML PKDD
    2014 (the best threshold is half the best F1).
    """
    held = labels.sum(0)
    return np.asarray(np.sqrt((len(labels) - held + 1) / (held + 1)))


def _one(model: Separator, sample: Sample, sharpness: float) -> tuple[np.ndarray, float]:
    """Weights (D,) and offset for one label; where nothing tells it apart the log odds of its smoothed share."""
    x, held, weights = sample
    if 0 < held.sum() < len(held):
        model.set_params(class_weight={1: float(rarity(held[:, None])[0])})
        model.fit(x, held, weights)
        return model.coef_[0] * sharpness, float(model.intercept_[0]) * sharpness
    return np.zeros(x.shape[1]), float(np.log((held.sum() + 0.5) / (len(held) - held.sum() + 0.5)))


def moments(features: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean of each feature, and one deviation for all: the root of their summed variance (one if all are constant).

    Examples then lie at distance one from the mean, on average, so that a penalty means the same for any number of
    features. One deviation for all, because a network's features share a scale, and those that hardly vary say little:
    to blow each up to unit variance cost 4 points of accuracy on photographs with 5 labels per class.
    """
    mean = features.mean(0)
    deviation = radius(features - mean)
    # What rounding leaves of constants is no spread.
    return mean, deviation if deviation > 1e-10 * float(abs(features).max()) else 1.0


def layer(weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, deviation: float) -> nn.Linear:
    """The layer that applies ``weight`` (K, D) and ``bias`` (K,) to ``(x - mean) / deviation``.

    Raises:
        CandidateError: single precision does not hold its weights.
    """
    folded = weight / deviation
    result = nn.Linear(folded.shape[1], folded.shape[0])
    with torch.no_grad():
        result.weight.copy_(torch.from_numpy(folded))
        result.bias.copy_(torch.from_numpy(bias - folded @ mean))
    if not result.weight.isfinite().all():
        raise CandidateError("the features are too small for weights in single precision; scale them up")
    return result


def spread(weight: np.ndarray, bias: np.ndarray, present: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the classes ``present`` among all ``outputs``; two-class estimators have one row for the second class."""
    if len(present) == 2 and len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    full, offset = np.zeros((outputs, weight.shape[1])), np.full(outputs, -30.0)
    full[present], offset[present] = weight, bias
    return full, offset
