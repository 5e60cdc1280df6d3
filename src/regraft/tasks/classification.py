"""One label out of several."""

from typing import Annotated

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.core.config import Choice, settings
from regraft.heads._base import Head
from regraft.heads.linear import Linear
from regraft.tasks._base import Task


@settings
class Classification(Task):
    """One label out of several. The utility of an example is 1 if the likeliest class is right, else 0."""

    classes: tuple[str, ...] = ()
    """Names of the classes, in the order of the labels."""
    counts: tuple[int, ...] = ()
    """Training examples of each class; when given, the loss weighs every class alike."""
    head: Annotated[Head, Choice("heads")] = Linear()
    """Layers from features to class scores."""
    smoothing: float = 0.0
    """Share of the target probability that is spread over all classes (label smoothing)."""

    def build_head(self, feature_dim: int) -> nn.Module:
        """See `Task.build_head`."""
        return self.head.build(feature_dim, len(self.classes))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, each class weighted by the inverse of its share of the training examples."""
        weight = None
        if self.counts and len(set(self.counts)) > 1:
            counts = torch.tensor(self.counts, dtype=torch.float32, device=outputs.device).clamp_min(1)
            weight = counts.sum() / (len(counts) * counts)
        return F.cross_entropy(outputs.float(), targets, weight=weight, label_smoothing=self.smoothing)

    def predict(self, outputs: Tensor) -> Tensor:
        """See `Task.predict`."""
        return outputs.float().softmax(-1)

    def utility(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """See `Task.utility`."""
        return np.asarray(predictions.argmax(-1) == targets, dtype=np.float64)

    def metrics(self, predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Accuracy, macro F1, log loss and expected calibration error (15 equal-width bins, top class).

        Reference: Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3.
        """
        top, chosen = predictions.max(-1), predictions.argmax(-1)
        likelihood = predictions[np.arange(len(targets)), targets].clip(1e-12)
        return {
            "accuracy": float((chosen == targets).mean()),
            "macro_f1": float(f1_score(targets, chosen, labels=np.unique(targets), average="macro", zero_division=0)),
            "log_loss": float(-np.log(likelihood).mean()),
            "calibration_error": _calibration_error(top, chosen == targets),
        }


def _calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(index, right - confidence.astype(float), bins)
    return float(np.abs(gap).sum() / len(right))
