"""The contract of selectors: which weights to keep, and which labels that reads."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch

from regraft.core import catalog
from regraft.core.arrays import classes, matrix
from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.data.dataset import Dataset
from regraft.model import Model, Problem, observe
from regraft.tasks._base import Task
from regraft.tasks.classification import Classification


@dataclass(frozen=True)
class Seen:
    """What a model makes of some examples.

    ``predictions`` (N, K): of its task; for classes their probabilities. ``features`` (N, D): of its backbone.
    ``labels`` (N,): those of the examples, None where they are withheld; read by the utility of ``task`` only.
    """

    predictions: np.ndarray
    features: np.ndarray
    labels: np.ndarray | None = None
    task: Task = field(default_factory=Classification)

    def utility(self) -> np.ndarray:
        """How good each prediction is (N,), higher is better; of classes, 1 where the likeliest is right, else 0.

        Raises:
            UserError: there are no labels.
        """
        if self.labels is None:
            raise UserError("these examples have no labels to compare predictions with; give 'labels'")
        return np.asarray(self.task.utility(self.predictions, self.labels), dtype=np.float64)


class Selector(ABC):
    """Options of a rule that scores a model at one step of training; the weights with the best score are kept.

    Alone, on arrays: `score`. In training: ``Phase.select``.
    """

    labels: ClassVar[str]
    """Which labels the rule reads, in words."""
    withheld: ClassVar[bool] = True
    """Whether it leaves labels of the target alone, so that it can choose where there are none."""
    tasks: ClassVar[frozenset[Labels]] = frozenset(Labels)
    """What may be predicted."""
    source: ClassVar[bool] = False
    """Whether it looks at labelled source examples, which must be of the target's classes."""
    compares: ClassVar[bool] = True
    """Whether it can tell one trained model from another, and not only the weights within a run."""
    diverse: ClassVar[bool] = True
    """Whether, as a rule, one class for all examples scores below confident, diverse and right predictions."""

    def __call__(self, model: Model, problem: Problem) -> float:
        """A score of the model as it is; higher is better.

        Raises:
            UserError: the rule does not suit what is predicted.
            ValueError: the problem does not have the examples that it looks at.
        """
        return self.score(self._target(model, problem), source_seen(model, problem) if self.source else None)

    def score(self, target: Seen, source: Seen | None = None) -> float:
        """The same from what the model makes of target examples and, where `source` is set, of labelled source ones.

        Independent of the order of the examples.

        Raises:
            UserError: something is missing, malformed or not finite, or the rule does not suit what is predicted.
        """
        name = catalog.called(type(self))
        for seen in (target, source):
            if not isinstance(seen, Seen | None):
                raise UserError(f"a selector scores regraft.Seen(predictions, features), not {type(seen).__name__}")
        if target.task.labels not in self.tasks:
            said = " or ".join(sorted(self.tasks))
            raise UserError(f"the selector {name!r} is for {said}, not for {target.task.labels.value}; choose another")
        if self.source and (source is None or source.labels is None):
            raise UserError(f"the selector {name!r} looks at labelled source examples; give 'source' with labels")
        if not self.source or source is None:
            return float(self.measure(_checked(target), None))
        target, source = _checked(target), _checked(source)
        if target.predictions.shape[1] != source.predictions.shape[1]:
            counts = f"{target.predictions.shape[1]} and {source.predictions.shape[1]}"
            raise UserError(f"predictions of target and source must have the same number of columns, got {counts}")
        if target.features.shape[1] != source.features.shape[1]:
            counts = f"{target.features.shape[1]} and {source.features.shape[1]}"
            raise UserError(f"features of target and source must have the same number of columns, got {counts}")
        if source.task.labels is Labels.CLASSES and source.labels is not None and source.labels.min(initial=0) < 0:
            raise UserError(f"{(source.labels < 0).sum()} labels of the source are unknown (-1); leave these out")
        return float(self.measure(target, source))

    @abstractmethod
    def measure(self, target: Seen, source: Seen | None) -> float:
        """The score from checked float64 arrays; ``source`` is there where the rule looks at it."""

    def better(self, score: float, best: float) -> bool:
        """Whether weights with ``score`` are to be kept in place of those with the ``best`` so far."""
        return score > best

    def _target(self, model: Model, problem: Problem) -> Seen:
        """What the model makes of the examples that the rule scores it by: the unlabelled ones."""
        if problem.target.unlabeled is None:
            raise ValueError("this problem has no unlabeled examples")
        return see(model, problem.target.unlabeled, problem)


def see(model: Model, dataset: Dataset, problem: Problem) -> Seen:
    """What the model makes of a dataset, with its labels where it has any."""
    features, outputs = observe(model, dataset, problem)
    predictions = problem.task.predict(torch.from_numpy(outputs)).numpy()
    return Seen(predictions, features, dataset.examples.labels, problem.task)


def source_seen(model: Model, problem: Problem) -> Seen:
    """What it makes of source examples: those that were kept aside where there are some, else those it learns from.

    Raises:
        ValueError: there are none.
        UserError: the source does not name the target's classes.
    """
    if problem.source is None:
        raise ValueError("this problem has no source examples")
    dataset = problem.source.validation or problem.source.train
    if dataset.classes != model.classes or dataset.examples.labelling is not problem.task.labels:
        raise UserError("the source does not name the target's classes, so its labels say nothing of this model")
    return see(model, dataset, problem)


def _checked(seen: Seen) -> Seen:
    predictions, features = (matrix(getattr(seen, name), f"the {name}") for name in ("predictions", "features"))
    labels, of_classes = seen.labels, seen.task.labels is Labels.CLASSES
    if of_classes and not ((predictions >= 0).all() and np.allclose(predictions.sum(1), 1, atol=1e-3)):
        raise UserError("predictions of classes must be probabilities, of which each row adds up to one; take softmax")
    if labels is not None:
        labels = classes(labels, "the examples") if of_classes else np.asarray(labels)
    counts = {len(predictions), len(features), *([] if labels is None else [len(labels)])}
    if len(counts) > 1:
        raise UserError(f"predictions, features and labels must be of the same examples, got {sorted(counts)} of them")
    if labels is not None and of_classes and labels.max(initial=0) >= predictions.shape[1]:
        raise UserError(f"labels must be 0 to {predictions.shape[1] - 1}, a column of predictions; got {labels.max()}")
    return replace(seen, predictions=predictions, features=features, labels=labels)
