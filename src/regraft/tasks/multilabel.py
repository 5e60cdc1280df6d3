"""Any number of labels out of several."""

from typing import Annotated, ClassVar

import numpy as np
import torch
from scipy.special import log_expit, logit
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional as F

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.heads._base import Head
from regraft.heads.linear import Linear
from regraft.tasks._base import Answer, LabelSet, Metric, Task, weighed
from regraft.tasks._metrics import THRESHOLD, average_precision, calibration, f1, label_f1, mean, tempered

_KNOWN = 0.7
"""Chance that a source's layer orders an example with a label before one without, from which on it is of use."""


@settings
class Multilabel(Task):
    """Any number of labels out of several, none included. The utility of an example is the F1 of its labels.

    F1 is twice the labels that are right, over the true ones plus the given ones; 1 where both are none.
    Reference: Godbole and Sarawagi, Discriminative methods for multi-labeled classification, PAKDD 2004, section 4
    (the measure); Boutell et al., Learning multi-label scene classification, Pattern Recognition 2004 (one decision
    for each label).
    """

    labels: ClassVar[Labels] = Labels.SETS

    classes: tuple[str, ...] = ()
    """Names of the labels, in the order of the columns."""
    weights: tuple[float, ...] = ()
    """What an example that has a label weighs in the loss against one that lacks it, for each label; none: the same."""
    head: Annotated[Head, Choice("heads")] = Linear()
    """Layers from features to a score for each label."""

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Binary cross-entropy, the mean over examples and labels; see `rarity` for the weights of labels."""
        rare = torch.tensor(self.weights, device=outputs.device) if self.weights else None
        each = F.binary_cross_entropy_with_logits(outputs.float(), targets.float(), pos_weight=rare, reduction="none")
        return weighed(each.mean(1), weights)

    def predict(self, outputs: Tensor) -> Tensor:
        """Probabilities (B, Z), each of a label on its own."""
        return outputs.float().sigmoid()

    def together(self, outputs: Tensor) -> Tensor:
        """The log-odds of the mean probabilities."""
        return F.logsigmoid(outputs.float()).logsumexp(0) - F.logsigmoid(-outputs.float()).logsumexp(0)

    def utility(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """See `Task.utility`."""
        given = predictions > THRESHOLD
        hits, size = (given * targets).sum(-1), given.sum(-1) + targets.sum(-1)
        return np.where(size > 0, f1(hits, targets.sum(-1), given.sum(-1)), 1.0)

    def criterion(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Log-likelihood of the label set after temperature scaling, one temperature for all labels."""
        logits = logit(predictions.astype(float).clip(1e-12, 1 - 1e-12)) * (2 * targets - 1)
        return tempered(lambda sharpness: log_expit(logits * sharpness).sum(1))

    def same(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether the same labels are given."""
        return np.asarray(((one > THRESHOLD) == (other > THRESHOLD)).all(1))

    def beyond_chance(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Pairs of a label that the example has and one that it has not: the share in order less that out of order."""
        named = np.isfinite(outputs).all(0)
        place, held = rankdata(outputs[:, named], axis=1), targets[:, named].astype(bool)
        have = held.sum(1)
        pairs = have * (held.shape[1] - have)
        above = (place * held).sum(1) - have * (have + 1) / 2  # of these pairs; ties count a half
        return np.where(pairs > 0, 2 * above / np.maximum(pairs, 1) - 1, 0.0)

    def knows(self, outputs: np.ndarray, targets: np.ndarray) -> bool:
        """Whether each label's score orders examples with it before those without, on average over labels."""
        found = []
        for score, held in zip(outputs.T, targets.T, strict=True):
            if np.isfinite(score).all() and 0 < held.sum() < len(held):
                gaps = score[held == 1][:, None] - score[held == 0]
                found.append(float(((gaps > 0) + 0.5 * (gaps == 0)).mean()))
        return bool(found) and float(np.mean(found)) > _KNOWN

    def answer(self, prediction: np.ndarray) -> Answer:
        """See `Task.answer`."""
        ranked = self.ranked(prediction)
        given = sum(probability > THRESHOLD for _, probability in ranked)
        return LabelSet(ranked[:given], ranked[given:])

    @staticmethod
    def figures(probabilities: np.ndarray, held: np.ndarray) -> dict[str, float | None]:
        """Average precision and F1 of one label: probabilities (S, N), whether examples have it (N,); means over S.

        None where no example has it.
        """
        if not held.any():
            return {"average_precision": None, "f1": None}
        one, metrics = np.ones((1, len(held))), {"average_precision": average_precision, "f1": label_f1}
        return {name: float(np.mean([m(p, held, one) for p in probabilities])) for name, m in metrics.items()}

    def metrics(self) -> dict[str, Metric]:
        """Mean average precision over labels, micro, macro and example F1, log loss and calibration error."""
        return {
            "mean_average_precision": _over_labels(average_precision),
            "micro_f1": _micro_f1,
            "macro_f1": _over_labels(label_f1),
            "example_f1": lambda p, y, weights: mean(self.utility(p, y), weights),
            "log_loss": _log_loss,
            "calibration_error": lambda p, y, weights: calibration(p.astype(float), y, weights),
        }


def _over_labels(metric: Metric) -> Metric:
    """The mean of a label's ``metric`` over the labels that some example has; 0 where none has any."""

    def average(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        table = np.stack([metric(p, y, weights) for p, y in zip(predictions.T, targets.T, strict=True)])
        known = np.isfinite(table)
        return np.asarray(np.where(known, table, 0).sum(0) / np.maximum(known.sum(0), 1))

    return average


def _micro_f1(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    given = predictions > THRESHOLD
    return f1(*(weights @ count.sum(1) for count in (given * targets, targets, given)))


def _log_loss(predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    right = np.where(targets == 1, predictions, 1 - predictions.astype(float)).clip(1e-12)
    return mean(-np.log(right).mean(1), weights)
