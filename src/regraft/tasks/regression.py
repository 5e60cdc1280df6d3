"""A number."""

from typing import Annotated, ClassVar

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.heads._base import Head
from regraft.heads.linear import Linear
from regraft.tasks._base import Answer, Metric, Task, weighed

_USEFUL = 0.9
"""Squared error, in variances of the labels, below which a source's numbers are of use; their mean has 1."""


@settings
class Regression(Task):
    """A number. The utility of an example is minus its absolute error, in standard deviations of the training labels.

    Networks learn the standardised number; what a user sees is in the labels' own unit.
    """

    labels: ClassVar[Labels] = Labels.NUMBERS

    mean: float = 0.0
    """Of the training labels."""
    deviation: float = 1.0
    """Standard deviation of the training labels."""
    head: Annotated[Head, Choice("heads")] = Linear()
    """Layers from features to the standardised number."""

    @property
    def outputs(self) -> int:
        """See `Task.outputs`."""
        return 1

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """See `Task.encode`."""
        return np.asarray((labels - self.mean) / self.deviation)

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean squared error of the standardised number."""
        wanted = ((targets - self.mean) / self.deviation).float()
        return weighed(F.mse_loss(outputs.float()[:, 0], wanted, reduction="none"), weights)

    def predict(self, outputs: Tensor) -> Tensor:
        """The numbers (B, 1) in the labels' unit."""
        return outputs.float() * self.deviation + self.mean

    def together(self, outputs: Tensor) -> Tensor:
        """The mean of the standardised numbers."""
        return outputs.float().mean(0)

    def utility(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """See `Task.utility`."""
        return -np.abs(predictions[..., 0].astype(float) - targets) / self.deviation

    def criterion(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Minus the squared error, in variances of the training labels."""
        return -(((predictions[:, 0].astype(float) - targets) / self.deviation) ** 2)

    def same(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether numbers (N, 1) differ by less than a hundredth of a standard deviation."""
        return np.asarray(np.abs(one - other)[:, 0] < 0.01 * self.deviation)

    def beyond_chance(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """How much less squared error the standardised ``outputs`` have than the mean, as a share of the larger one."""
        own, mean = (outputs[:, 0] - self.encode(targets)) ** 2, self.encode(targets) ** 2
        return np.asarray(((mean - own) / np.maximum(np.maximum(mean, own), 1e-12)).clip(-1, 1))

    def knows(self, outputs: np.ndarray, targets: np.ndarray) -> bool:
        """Whether the standardised numbers ``outputs`` predict better than the mean does."""
        return float(((outputs[:, 0] - self.encode(targets)) ** 2).mean()) < _USEFUL

    def answer(self, prediction: np.ndarray) -> Answer:
        """See `Task.answer`."""
        return float(prediction[0])

    def metrics(self) -> dict[str, Metric]:
        """Root mean squared error, mean absolute error, share of the variance explained, and rank correlation."""
        return {"rmse": _rmse, "mae": _mae, "r2": _r2, "spearman": _spearman}


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray((weights * values).sum(1) / weights.sum(1))


def _error(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.asarray(predictions[:, 0].astype(float) - targets)


def _rmse(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.sqrt(_mean(_error(predictions, targets) ** 2, weights))


def _mae(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _mean(np.abs(_error(predictions, targets)), weights)


def _r2(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One minus squared error over the variance of the resample; 0 where all its targets are the same."""
    variance = _mean((targets - _mean(targets, weights)[:, None]) ** 2, weights)
    error = _mean(_error(predictions, targets) ** 2, weights)
    return 1 - np.divide(error, variance, out=np.ones_like(error), where=variance > 0)


def _spearman(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation of the ranks, ties sharing theirs; 0 where either side is constant."""
    ours, theirs = (_ranks(of, weights) for of in (predictions[:, 0].astype(float), targets.astype(float)))
    ours, theirs = (ranks - _mean(ranks, weights)[:, None] for ranks in (ours, theirs))
    size = np.sqrt(_mean(ours**2, weights) * _mean(theirs**2, weights))
    return np.divide(_mean(ours * theirs, weights), size, out=np.zeros_like(size), where=size > 1e-9)


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Ranks (R, N) of values (N,), each of which occurs as often as its weight (R, N) says; ties share their middle."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    tied = np.add.reduceat(weights[:, order].astype(float), starts, axis=1)
    places = np.empty(len(values), dtype=int)
    places[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    return np.asarray((tied.cumsum(1) - tied / 2)[:, places])
