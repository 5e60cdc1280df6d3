"""The contract of heads: layers that a descent trains, and classical estimators that are fitted in closed form."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from torch import nn

from regraft.core.arrays import array, classes, counts, matrix
from regraft.core.errors import UserError


class Head(ABC):
    """Options of a head that is trained by descent."""

    @abstractmethod
    def build(self, feature_dim: int, outputs: int) -> nn.Module:
        """A randomly initialised layer from features (B, ``feature_dim``) to (B, ``outputs``)."""


class ClassicalHead(ABC):
    """Options of a head that is fitted on remembered features; the result is an ordinary layer. Usable alone."""

    numbers: ClassVar[bool] = False
    """Whether labels are numbers, not classes."""

    def fit(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """Fit on features (N, D) and labels (N,) in [0, ``outputs``); a class without examples gets no probability.

        ``weights`` (N,): how much each example counts, and so each class; those of weight 0 are as if they were not
        there. None: all classes count alike, however many examples they have.

        Label sets (N, ``outputs``) are fitted one label at a time; one that all or no examples have gets its smoothed
        share as its probability, whatever the features.

        Raises:
            UserError: there is nothing to learn from, features are no matrix of finite numbers, there are not as many
                labels (or weights) as examples, weights are negative or all 0, or a label is none of the ``outputs``.
            CandidateError: the examples are of one class only, and this head cannot do with that; or features are so
                small that single precision does not hold what they are multiplied by.
        """
        x = matrix(features, "the features")
        if labels is None:
            raise UserError(f"{len(x)} examples have no labels; give one for each")
        if not isinstance(outputs, int | np.integer) or outputs < 1:
            raise UserError(f"outputs must be a whole number from 1, got {outputs!r}")
        y = self._labels(array(labels, "labels of the examples"), int(outputs))
        if len(y) != len(x):
            raise UserError(f"{len(x)} examples have {len(y)} labels")
        if weights is not None:
            weights = counts(weights, len(x))
            x, y, weights = x[weights > 0], y[weights > 0], weights[weights > 0]
        return self.learn(x, y, int(outputs), weights)

    def _labels(self, given: np.ndarray, outputs: int) -> np.ndarray:
        """Numbers (N,), label sets (N, ``outputs``) of 0 and 1, or classes (N,)."""
        if self.numbers:
            return matrix(given.reshape(-1, 1), "the column of labels")[:, 0]
        if given.ndim == 2 and given.shape[1] == outputs:
            sets = matrix(given, "the label sets")
            if not np.isin(sets, (0, 1)).all():
                raise UserError("label sets must be 0 or 1, a column a label")
            return sets.astype(np.int64)
        y = classes(given, "the examples")
        if y.min(initial=0) < 0 or y.max(initial=0) >= outputs:
            raise UserError(f"labels must be 0 to {outputs - 1}, for {outputs} outputs; got {y.min()} to {y.max()}")
        return y

    @abstractmethod
    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """See `fit`; the inputs are checked, and features float64."""
