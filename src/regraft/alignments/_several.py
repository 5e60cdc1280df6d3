"""Several sources at once: each is aligned with the target, and their answers are mixed by learned weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from torch import nn

from regraft.alignments._base import Alignment
from regraft.core.arrays import matrix
from regraft.core.errors import UserError
from regraft.heads._base import ClassicalHead
from regraft.heads._kernels import bandwidth, gaussian, places
from regraft.heads._layers import through
from regraft.heads.logistic import Logistic

_ENOUGH = 1500
_FOLDS = 3


@dataclass(frozen=True)
class Combined:
    """A model from several sources: their layers, features to logits, and their weights (S,), which add up to one."""

    layers: tuple[nn.Module, ...]
    weights: np.ndarray

    def probabilities(self, features: Any) -> np.ndarray:
        """Of the classes (N, C), for target features (N, D)."""
        each = _probabilities(self.layers, matrix(features, "the target"))
        return np.asarray(np.tensordot(self.weights, each, 1))


def combine(
    alignment: Alignment,
    sources: Sequence[tuple[Any, Any]],
    target: tuple[Any, Any],
    head: ClassicalHead | None = None,
    outputs: int | None = None,
) -> Combined:
    """Align each source, features (N, D) and classes (N,), with the target (M, D), and learn how much each counts.

    With labels (M,) beside the target's features, -1 where unknown: weights of least squared error of the mixed
    probabilities on them; what each source says of a labelled example is said by a head that has not seen its label
    (three folds).
    Without any: those under which near target examples get the same answer, the smoothness that Chattopadhyay et al.
    assume, and no source is told from another where all are smooth. ``outputs``: how many classes there are; without
    it, as many as the labels show.
    Reference: Breiman, Stacked regressions, Machine Learning 1996; without labels, Chattopadhyay et al., Multisource
    domain adaptation and its application to early detection of fatigue, TKDD 2012, eq. 5.

    Raises:
        UserError: there is no source, or one of them is refused by `Alignment.fit`.
    """
    if not sources:
        raise UserError("there is no source to combine; give at least one pair of features and labels")
    theirs = matrix(target[0], "the target")
    known = np.full(len(theirs), -1) if target[1] is None else np.asarray(target[1])
    count = outputs or int(max(known.max(), *(np.max(y) for _, y in sources))) + 1

    def fitted(known: np.ndarray) -> list[nn.Module]:
        return [_fitted(alignment, source, theirs, known, (head or Logistic(), count)) for source in sources]

    layers, labelled = fitted(known), np.flatnonzero(known >= 0)
    if len(sources) == 1:
        return Combined(tuple(layers), np.ones(1))
    if not len(labelled):
        return Combined(tuple(layers), _least(_roughness(theirs, layers)))
    each, folds = np.zeros((len(sources), len(labelled), count)), _folds(theirs[labelled], known[labelled])
    for fold in np.unique(folds):
        hidden = known.copy()
        hidden[labelled[folds == fold]] = -1
        each[:, folds == fold] = _probabilities(tuple(fitted(hidden)), theirs[labelled[folds == fold]])
    differences = each - np.eye(count)[known[labelled]]
    return Combined(tuple(layers), _least(np.einsum("smc,tmc->st", differences, differences) / len(labelled)))


def _fitted(
    alignment: Alignment, source: tuple[Any, Any], target: np.ndarray, known: np.ndarray, top: tuple[ClassicalHead, int]
) -> nn.Module:
    """Target features to logits, learned from one aligned source and the labels that are known of the target."""
    x, y = source
    aligned = alignment.fit(x, y, target, known)
    rows = np.concatenate([aligned.source(x), aligned.target(target)[known >= 0]])
    head = top[0].fit(rows, np.concatenate([np.asarray(y), known[known >= 0]]), top[1])
    return nn.Sequential(aligned.target_layer, head.double())


def _folds(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A fold (M,) for each labelled example, class by class in an order that is made from what is in the rows."""
    order = np.lexsort((features @ np.cos(np.arange(1, features.shape[1] + 1)), labels))
    found = np.empty(len(labels), dtype=int)
    found[order] = np.arange(len(labels)) % _FOLDS
    return found


def _roughness(target: np.ndarray, layers: list[nn.Module]) -> np.ndarray:
    """How much the answers of two sources (S, S) differ together between target examples, the nearer the more."""
    some = target[places(target, _ENOUGH)]
    each = _probabilities(tuple(layers), some)
    near = gaussian(some, some, 10 * bandwidth(some))
    laplacian = np.diag(near.sum(1)) - near
    return np.einsum("smc,mn,tnc->st", each, laplacian, each, optimize=True) / near.sum()


def _least(cost: np.ndarray) -> np.ndarray:
    """Weights (S,), none below zero, of sum one, with least w' cost w."""
    count = len(cost)
    found = minimize(
        lambda w: w @ cost @ w,
        np.full(count, 1 / count),
        jac=lambda w: 2 * cost @ w,
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    ).x
    return np.asarray(np.maximum(found, 0) / np.maximum(found, 0).sum())


def _probabilities(layers: tuple[nn.Module, ...], features: np.ndarray) -> np.ndarray:
    logits = np.stack([through(layer, features) for layer in layers])
    odds = np.exp(logits - logits.max(2, keepdims=True))
    return np.asarray(odds / odds.sum(2, keepdims=True))
