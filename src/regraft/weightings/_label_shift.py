"""What weightings by label shift have in common: predictions on both domains, and how they depend on the class."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from regraft.core.arrays import radius
from regraft.core.errors import UserError
from regraft.weightings._rows import order

_FOLDS = 5
_MOST = 10_000
"""Examples that a fold learns from, at most."""


@dataclass(frozen=True)
class Confusion:
    """How a classifier that learned on the source predicts.

    ``joint`` (K, K): share of the source that is predicted i and is of class j, by examples that were left out;
    ``target`` (K,): share of the target that is predicted i; ``index`` (N,): classes of the source's examples.
    """

    joint: np.ndarray
    target: np.ndarray
    index: np.ndarray


def confusion(source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> Confusion:
    """Cross-fitted logistic regression on the features of both domains.

    Raises:
        UserError: the labels are fractions, which are no classes.
    """
    assert labels is not None
    if labels.dtype.kind == "f" and (labels != np.round(labels)).any():
        raise UserError("label shift is of classes, and these labels are numbers; take a weighting that reads none")
    names, index = np.unique(labels, return_inverse=True)
    mean = source.mean(0)
    scale = radius(source - mean) or 1.0
    x, y = (source - mean) / scale, (target - mean) / scale
    part, turns = _dealt(source, index)
    joint, told = np.zeros((len(names), len(names))), np.zeros(len(names))
    for fold in np.unique(part):
        learn, left = turns[part[turns] != fold][:_MOST], part == fold
        learn = learn if len(learn) else turns
        np.add.at(joint, (_predicted(x[learn], index[learn], x[left]), index[left]), 1)
        told += np.bincount(_predicted(x[learn], index[learn], y), minlength=len(names))
    return Confusion(joint / joint.sum(), told / told.sum(), index)


def _predicted(x: np.ndarray, index: np.ndarray, of: np.ndarray) -> np.ndarray:
    if index.min() == index.max():
        return np.full(len(of), index[0])
    return np.asarray(LogisticRegression(C=100.0, max_iter=300, tol=1e-3).fit(x, index).predict(of))


def _dealt(x: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A part (N,) of each example, classes spread over all, and the examples in an order that takes classes in turn."""
    by_content, place = order(x), np.empty(len(x), dtype=int)
    for name in np.unique(index):
        rows = by_content[index[by_content] == name]
        place[rows] = np.arange(len(rows))
    return place % _FOLDS, by_content[np.argsort(place[by_content], kind="stable")]
