"""The contract of heads: layers that a descent trains, and classical estimators that are fitted in closed form."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from torch import nn

from regraft.core.arrays import classes, matrix
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

        ``weights`` (N,): how much each example counts, one on average; None: all the same.

        Label sets (N, ``outputs``) are fitted one label at a time; one that all or no examples have gets its smoothed
        share as its probability, whatever the features.

        Raises:
            UserError: there is nothing to learn from, features are no matrix of finite numbers, there are not as many
                labels (or weights) as examples, or a label is none of the ``outputs``.
            CandidateError: the examples are of one class only, and this head cannot do with that.
        """
        x = matrix(features, "the features")
        if labels is None:
            raise UserError(f"{len(x)} examples have no labels; give one for each")
        y = np.asarray(labels)
        for what, given in (("labels", y), ("weights", weights)):
            if given is not None and len(given) != len(x):
                raise UserError(f"{len(x)} examples have {len(given)} {what}")
        if y.ndim == 1 and not self.numbers:
            y = classes(y, "the examples")
            if y.min() < 0 or y.max() >= outputs:
                raise UserError(f"labels must be 0 to {outputs - 1}, for {outputs} outputs; got {y.min()} to {y.max()}")
        if self.numbers:
            y = matrix(y.reshape(-1, 1), "the column of labels")[:, 0]
        return self.learn(x, y, outputs, weights)

    @abstractmethod
    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """See `fit`; the inputs are checked, and features float64."""
