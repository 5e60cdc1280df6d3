"""The contract of scores: a prediction, without training, of how well a source will transfer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np
from scipy.linalg import eigh
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from regraft.core import catalog
from regraft.core.arrays import matrix
from regraft.core.errors import UserError
from regraft.core.labels import Labels, labels_of

_SMALL = 2**20  # entries of the features


@dataclass(frozen=True)
class Evidence:
    """What is known of one source on the labelled target, before any training.

    ``features`` (N, D): of the source's backbone. ``labels`` (N,): integers, any values, are
    classes; floating point values are numbers to predict; (N, Z) of 0 and 1 are label sets.
    ``source_probabilities`` (N, Z): the source's own predictions, rows sum to 1; None where it has no classes.
    ``parameters``: how many weights the source has, or None. ``source_features`` (M, D): of the same backbone on
    labelled data that the source brings, with ``source_labels`` (M,) or (M, Z'); None where it is a model only.
    ``recognised`` (N,): how much better than chance the source's head, as it is, is at labels that have the names of
    its own, see `Task.beyond_chance`; all 0 where none has; None where that was not looked at.
    """

    features: np.ndarray
    labels: np.ndarray
    source_probabilities: np.ndarray | None = None
    parameters: int | None = None
    source_features: np.ndarray | None = None
    source_labels: np.ndarray | None = None
    recognised: np.ndarray | None = None


class Score(ABC):
    """A number for one source; higher predicts better transfer. Independent of the order of the examples."""

    scale_free: ClassVar[bool] = False
    """Whether multiplying all features by one positive number leaves the score as it is."""
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})
    """What the labels may be."""
    noise_safe: ClassVar[bool] = True
    """Whether, as a rule, noise scores below informative features, also with more features than examples."""

    @property
    def needs(self) -> frozenset[str]:
        """Names of the fields of the evidence that the score reads."""
        return frozenset({"features", "labels"})

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """Between which two numbers the score lies on ``labels``, those of `Evidence`, whatever the features."""
        return -np.inf, np.inf

    def __call__(self, evidence: Evidence) -> float:
        """Check what is needed and score it.

        Raises:
            UserError: something needed is missing, malformed or not finite, or all labels are the same.
        """
        name = catalog.called(type(self))
        given = labels_of(np.asarray(evidence.labels))
        if "labels" in self.needs and given not in self.labels:
            raise UserError(f"the score {name!r} reads {' or '.join(sorted(self.labels))}, not {given.value}")
        checked = _checked(evidence, self.needs, name)
        # On small matrices, waking and waiting for threads costs more than the arithmetic; on a busy machine far more.
        small = np.size(checked.features) < _SMALL
        with _threads().limit(limits=1 if small else None, user_api="blas"):
            return float(self.measure(checked))

    @abstractmethod
    def measure(self, evidence: Evidence) -> float:
        """Score checked evidence in float64: classes 0 to C - 1, C >= 2, each of which occurs, or columns of values.

        See `classified`.
        """


def credit(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Accuracy per example (N,) expected when ties for the most ``votes`` (N, C) are broken by lot; in [0, 1]."""
    winners = votes >= votes.max(1, keepdims=True) - 1e-9  # votes that differ by rounding only are tied
    return np.asarray(winners[np.arange(len(labels)), labels] / winners.sum(1))


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Indicators (N, C), float64, of ``labels`` (N,) in 0 to C - 1."""
    return np.eye(labels.max() + 1)[labels]


def spectrum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (N, R) and squared singular values (R,) of ``x`` (N, D) of rank R.

    From the smaller of the two Gram matrices, min(N, D) on a side: much faster than a decomposition of ``x``.
    """
    wide = len(x) <= x.shape[1]
    values, vectors = eigh(x @ x.T if wide else x.T @ x, driver="evd", overwrite_a=True, check_finite=False)
    keep = values > max(values[-1], 0) * max(x.shape) * np.finfo(x.dtype).eps
    values, vectors = values[keep], vectors[:, keep]
    return (vectors if wide else x @ vectors / np.sqrt(values)), values


def shrinkage(x: np.ndarray, variances: np.ndarray, width: int | None = None) -> float:
    """The optimal weight of the identity, in [0, 1], for centred ``x`` (N, D) with covariance eigenvalues (R,).

    ``width``: D, where ``x`` has coordinates in a smaller space that holds all examples.

    Reference: Ledoit & Wolf, A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices, 2004, section 3.
    """
    n, dim = len(x), width or x.shape[1]
    norm = np.square(variances).sum()  # of the covariance; the identity's part of it is below
    away = norm - variances.sum() ** 2 / dim
    error = (np.square(np.square(x).sum(1)).mean() - norm) / n
    return float(np.clip(error / away, 0, 1)) if away > 1e-12 * norm else 0.0


@cache
def _threads() -> ThreadpoolController:
    """The thread pools of the linear algebra libraries; finding them takes a while."""
    return ThreadpoolController()


def _checked(evidence: Evidence, needs: frozenset[str], name: str) -> Evidence:
    """The evidence with what is needed made uniform: see ``Score.measure``."""
    for field in sorted(needs):
        if getattr(evidence, field) is None:
            raise UserError(f"the score {name!r} needs {field}, which this source does not have; choose another score")
    labels = _labels(evidence.labels) if "labels" in needs else evidence.labels
    features, probabilities = evidence.features, evidence.source_probabilities
    if "features" in needs:
        features = _matrix(features, "features", len(labels))
    if "source_probabilities" in needs and probabilities is not None:
        probabilities = _matrix(probabilities, "source_probabilities", len(labels))
        _check_probabilities(probabilities)
    checked = replace(evidence, features=features, labels=labels, source_probabilities=probabilities)
    if "recognised" in needs:
        column = _matrix(np.reshape(np.asarray(evidence.recognised), (-1, 1)), "recognised", len(labels))
        checked = replace(checked, recognised=column[:, 0])
    return _of_source(checked) if "source_labels" in needs else checked


def _of_source(evidence: Evidence) -> Evidence:
    """The evidence with the source's own examples made uniform like those of the target."""
    labels = _labels(np.asarray(evidence.source_labels))
    features = _matrix(np.asarray(evidence.source_features), "source_features", len(labels))
    if features.shape[1] != evidence.features.shape[1]:
        raise UserError(
            f"source_features has {features.shape[1]} columns but features {evidence.features.shape[1]}; "
            f"give both as the same backbone makes them"
        )
    return replace(evidence, source_features=features, source_labels=labels)


def _matrix(values: np.ndarray, field: str, count: int) -> np.ndarray:
    """``values`` as a finite float64 matrix of ``count`` rows."""
    found = matrix(values, field)
    if len(found) != count:
        raise UserError(f"{field} has {len(found)} rows but there are {count} labels")
    return found


def _labels(values: np.ndarray) -> np.ndarray:
    labels = np.asarray(values)
    if labels_of(labels) is Labels.SETS:
        return _sets(labels)
    if labels.ndim == 1 and labels.dtype.kind == "f":
        return _numbers(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise UserError(f"labels must be a list of integers, got shape {labels.shape} of {labels.dtype}")
    classes, indices = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"scoring needs examples of at least two classes, got {len(classes)}")
    return indices


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Numbers as one column (N, 1), standardised, so that scores do not depend on their unit."""
    if not np.isfinite(labels).all():
        raise UserError(f"labels must be finite, but {int((~np.isfinite(labels)).sum())} are not; leave them out")
    spread = labels.std() if len(labels) else 0.0
    if not spread > 0:
        raise UserError("scoring needs labels of at least two different values")
    return np.asarray((labels - labels.mean()) / spread, dtype=np.float64)[:, None]


def _sets(labels: np.ndarray) -> np.ndarray:
    """Label sets as a standardised column for each label that some examples have and some have not."""
    if not np.isin(labels, (0, 1)).all():
        raise UserError("label sets must be 0 or 1, one column a label")
    varied = labels[:, labels.min(0, initial=1) < labels.max(0, initial=0)].astype(np.float64)
    if not varied.size:
        raise UserError("scoring needs a label that some examples have and some have not")
    return np.asarray((varied - varied.mean(0)) / varied.std(0))


def classified(labels: np.ndarray) -> bool:
    """Whether checked labels are classes (N,), not columns of values (N, T): numbers or label sets, standardised."""
    return labels.ndim == 1


def _check_probabilities(rows: np.ndarray) -> None:
    wrong = np.flatnonzero((rows.min(1) < 0) | (abs(rows.sum(1) - 1) > 0.01))  # half precision is off by 0.001
    if len(wrong):
        raise UserError(f"rows of source_probabilities must be positive and sum to 1, but row {wrong[0]} does not")
