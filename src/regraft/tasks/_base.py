"""The contract of tasks: what is learned, with which head, loss, utility and metrics."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np
from torch import Tensor, nn

from regraft.core.gauge import GAUGES, Gauge
from regraft.core.labels import Labels
from regraft.heads._base import Head

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

RANGES = {
    "macro_f1": (0.0, 1.0), "micro_f1": (0.0, 1.0), "mean_average_precision": (0.0, 1.0),
    "calibration_error": (0.0, 1.0), "log_loss": (0.0, np.inf), "rmse": (0.0, np.inf), "mae": (0.0, np.inf),
    "r2": (-np.inf, 1.0), "spearman": (-1.0, 1.0),
}  # fmt: skip
"""Between what metrics lie, by name: no interval says more."""

Ranked = list[tuple[str, float]]
"""Names with their probabilities, likeliest first."""


class LabelSet(NamedTuple):
    """The labels that an example is given, likeliest first, and those that it is not."""

    labels: Ranked
    below: Ranked


Answer = Ranked | LabelSet | float
"""Classes with their probabilities, a label set, or a number."""


class Task(ABC):
    """What is learned on a domain."""

    labels: ClassVar[Labels]
    """What it learns from and predicts."""
    classes: tuple[str, ...] = ()
    """Names of the classes or labels; numbers have none."""
    head: Head
    """Layers from features to outputs."""

    @property
    def gauge(self) -> Gauge:
        """What its mean utility is called, and how it is written."""
        return GAUGES[self.labels.task]

    @property
    def outputs(self) -> int:
        """How many outputs K a head has: one for each name, unless a task says otherwise."""
        return len(self.classes)

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """Labels (N,) or (N, Z) as a classical head is fitted to them."""
        return labels

    def build_head(self, feature_dim: int) -> nn.Module:
        """A new head from features (B, ``feature_dim``) to the task's outputs."""
        return self.head.build(feature_dim, self.outputs)

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """What a descent lowers, a scalar: the mean over examples, each times its weight (B,) where there are some."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """Outputs (B, K) as a user reads them: for classification, class probabilities (B, K)."""

    @abstractmethod
    def together(self, outputs: Tensor) -> Tensor:
        """Outputs (B, K) whose prediction is the mean of the predictions of M models, from theirs (M, B, K)."""

    @abstractmethod
    def utility(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """How good each prediction is, higher is better: (..., N, K) and labels to (..., N). Paired tests read this."""

    @abstractmethod
    def criterion(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """What candidates are chosen by, per example, higher is better: (N, K) and labels to (N,).

        Smoother than the utility, so that few examples tell more.
        """

    @abstractmethod
    def same(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether (N,) two predictions (N, K) say the same to a user."""

    @abstractmethod
    def beyond_chance(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """How much better than chance outputs (N, K) of a head that was trained elsewhere are, as they are: (N,).

        In [-1, 1], 0 for chance. Minus infinity stands for what that head cannot say; an example that it has no name
        for counts 0.
        """

    @abstractmethod
    def knows(self, outputs: np.ndarray, targets: np.ndarray) -> bool:
        """Whether outputs (N, K) of a head that was trained elsewhere are clearly better than chance, as they are.

        Minus infinity stands for what that head cannot say.
        """

    @abstractmethod
    def answer(self, prediction: np.ndarray) -> Answer:
        """One prediction (K,) as a user reads it."""

    def ranked(self, prediction: np.ndarray) -> Ranked:
        """The names with their probabilities (K,), likeliest first."""
        return [(self.classes[k], float(prediction[k])) for k in np.argsort(-prediction, kind="stable")]

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """The named figures of a report, each from predictions (N, K), targets and weights (R, N) to (R,).

        Weights say how often an example counts, one row a resample of the examples.
        """


def weighed(losses: Tensor, weights: Tensor | None) -> Tensor:
    """The mean of losses (B,), each times its weight (B,); weights have mean one over the domain, not in each batch."""
    return losses.mean() if weights is None else (losses * weights).mean()
