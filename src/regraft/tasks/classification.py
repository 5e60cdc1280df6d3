"""One label out of several."""

import math
from typing import Annotated, ClassVar

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor
from torch.nn import functional as F

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.heads._base import Head
from regraft.heads.linear import Linear
from regraft.tasks._base import Answer, Metric, Task, weighed
from regraft.tasks._metrics import calibration, f1, mean, tempered


@settings
class Classification(Task):
    """One label out of several. The utility of an example is 1 if the likeliest class is right, else 0."""

    labels: ClassVar[Labels] = Labels.CLASSES

    classes: tuple[str, ...] = ()
    """Names of the classes, in the order of the labels."""
    counts: tuple[int, ...] = ()
    """Training examples of each class; when given, the loss weighs every class alike."""
    head: Annotated[Head, Choice("heads")] = Linear()
    """Layers from features to class scores."""
    smoothing: float = 0.1
    """Share of the target probability that is spread over all classes (label smoothing)."""

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Cross-entropy, each class weighted by the inverse of its share of the training examples."""
        weight = None
        if self.counts and len(set(self.counts)) > 1:
            counts = torch.tensor(self.counts, dtype=torch.float32, device=outputs.device).clamp_min(1)
            weight = counts.sum() / (len(counts) * counts)
        each = F.cross_entropy(
            outputs.float(), targets, weight=weight, reduction="none", label_smoothing=self.smoothing
        )
        return weighed(each, weights)

    def predict(self, outputs: Tensor) -> Tensor:
        """See `Task.predict`."""
        return outputs.float().softmax(-1)

    def together(self, outputs: Tensor) -> Tensor:
        """The logarithm of the mean probabilities."""
        return outputs.float().log_softmax(-1).logsumexp(0) - math.log(len(outputs))

    def utility(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """See `Task.utility`."""
        return np.asarray(predictions.argmax(-1) == targets, dtype=np.float64)

    def criterion(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Log-likelihood after temperature scaling."""
        logits, rows = np.log(predictions.astype(float).clip(1e-12)), np.arange(len(targets))
        return tempered(lambda sharpness: log_softmax(logits * sharpness, axis=1)[rows, targets])

    def same(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether the likeliest classes are the same."""
        return np.asarray(one.argmax(1) == other.argmax(1))

    def beyond_chance(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether the highest output is right, less the probability that a guess is."""
        named = np.isfinite(outputs).all(0)
        right = outputs.argmax(1) == targets
        return np.where(named[targets], right - 1 / max(1, named.sum()), 0.0)

    def knows(self, outputs: np.ndarray, targets: np.ndarray) -> bool:
        """Whether the highest output is right twice as often as chance, on examples of classes that the head can name.

        Of few classes: half way from chance to certainty. One alone proves nothing.
        """
        named = np.isfinite(outputs).all(0)
        chance, these = 1 / max(1, named.sum()), named[targets]
        return bool(these.any() and self.beyond_chance(outputs, targets)[these].mean() > min(chance, (1 - chance) / 2))

    def answer(self, prediction: np.ndarray) -> Answer:
        """See `Task.answer`."""
        return self.ranked(prediction)

    def metrics(self) -> dict[str, Metric]:
        """Accuracy, macro F1, log loss and expected calibration error."""
        return {"accuracy": _accuracy, "macro_f1": _macro_f1, "log_loss": _log_loss, "calibration_error": _calibration}


def _accuracy(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return mean((predictions.argmax(1) == targets).astype(float), weights)


def _log_loss(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    likelihood = predictions[np.arange(len(targets)), targets].astype(float)
    return mean(-np.log(likelihood.clip(1e-12)), weights)


def _macro_f1(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 of each class that occurs among the targets, averaged; a class that a resample lacks counts for nothing."""
    chosen, classes = predictions.argmax(1), np.unique(targets)
    real, said = (np.stack([of == c for c in classes], 1).astype(float) for of in (targets, chosen))
    hit, real, said = weights @ (real * said), weights @ real, weights @ said
    return np.asarray((f1(hit, real, said) * (real > 0)).sum(1) / (real > 0).sum(1))


def _calibration(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of the top class's probability."""
    right = (predictions.argmax(1) == targets)[:, None]
    return calibration(predictions.max(1, keepdims=True).astype(float), right, weights)
