"""A head for the target's classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from regraft.core.config import settings
from regraft.data.names import shared
from regraft.edits._base import Edit
from regraft.features import features
from regraft.model import Model, Problem
from regraft.tasks._base import Task
from regraft.tasks.regression import Regression

_WIDE = 512
"""Features from which on a new head learns at the rate of the network."""
_NAMED = 10
"""Names of shared classes that are said, at most."""


@settings
class NewHead(Edit):
    """Replace the head by a new one for the target's labels; classes that the source also names may keep its weights.

    Rows are matched by class name (see `names.shared`) when both heads are a single linear layer. A name can lie: by
    default the source's rows are kept only if, as they are, they know the labelled target's examples of these classes
    (see `Task.knows`). The layer of a source of numbers is kept, in the target's units, if it predicts the labelled
    target better than the mean does.

    A new layer for classes on few features of a network with batch normalisation learns faster in the descent that
    follows, since each of its weights has further to go.
    Reference: of the rate, inverse to the width, Yang, Hu et al., Tensor Programs V, NeurIPS 2021, table 3.
    """

    reuse: bool | None = None
    """Keep the rows of shared classes: always, never, or (None) if they work on the labelled target."""
    hurried: bool = True
    """Whether a new layer learns faster on few features; not where the network is as new as its head."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`."""
        kept = _kept(model, problem.task, problem.target.train.classes)
        if kept is not None and not (_works(model, problem) if self.reuse is None else self.reuse):
            kept = None
        model.head = problem.task.build_head(model.backbone.feature_dim)
        model.task, model.classes = problem.task, problem.target.train.classes
        if kept is not None and isinstance(model.head, nn.Linear):
            with torch.no_grad():
                model.head.weight[kept.places] = kept.weight
                model.head.bias[kept.places] = kept.bias
        elif self.hurried and model.batch_norms and not isinstance(problem.task, Regression):
            model.head_tempo = max(1.0, _WIDE / model.backbone.feature_dim)
        return model


@dataclass(frozen=True)
class _Rows:
    """Rows of a source's head for some labels of the target: ``places``, ``weight`` (P, D) and ``bias`` (P,)."""

    places: list[int]
    weight: torch.Tensor
    bias: torch.Tensor


def answers(model: Model, x: np.ndarray) -> torch.Tensor:
    """Outputs (N, Z) of the head of ``model``, as it is, for features ``x`` (N, D)."""
    given = torch.from_numpy(np.array(x))
    held = next(iter(model.head.state_dict().values()), given)
    with torch.no_grad():
        found: torch.Tensor = model.head(given.to(held.device))
    return found.cpu()


def said(model: Model, task: Task, classes: Sequence[str], x: np.ndarray) -> np.ndarray | None:
    """What `answers` says of the labels of the target's ``task``: outputs (N, K) for features ``x`` (N, D).

    Minus infinity for what has no namesake among its own; None if it says nothing of these labels.
    """
    of, pairs = model.task, shared(classes, model.classes)
    numbers = isinstance(of, Regression) and isinstance(task, Regression)
    if not pairs and not numbers:
        return None
    own = answers(model, x)
    if isinstance(of, Regression):
        return task.encode(of.predict(own).numpy())
    outputs = np.full((len(x), len(classes)), -np.inf)
    outputs[:, list(pairs)] = own[:, list(pairs.values())].numpy()
    return outputs


def reused(model: Model, problem: Problem) -> str:
    """What `NewHead` does, by default, with the head of a source ``model``: in words, none if no class is shared."""
    classes = problem.target.train.classes
    kept = None if isinstance(problem.task, Regression) else _kept(model, problem.task, classes)
    if kept is None:
        return ""
    names, many = ", ".join(classes[place] for place in kept.places[:_NAMED]), len(kept.places)
    names += f" and {many - _NAMED} more" if many > _NAMED else ""
    of = f"{many} of {len(classes)} {problem.target.train.examples.labelling.many}"
    if not problem.labelled:
        return f"{of} have the name of one of the source's: {names}"
    if _works(model, problem):
        return f"{of} start from the source's head, which knows them as it is: {names}"
    return f"{of} have the name of one of the source's, whose head is of no use for them: {names}"


def _kept(model: Model, task: Task, classes: Sequence[str]) -> _Rows | None:
    """What of the head of ``model`` may be kept for a ``task`` on ``classes``; None for nothing.

    The rows of classes with the same names; of numbers the layer, in the units of the new task.
    """
    of, old = model.task, model.head
    if not isinstance(old, nn.Linear):
        return None
    weight, bias = old.weight.detach().cpu(), old.bias.detach().cpu()
    if isinstance(of, Regression) and isinstance(task, Regression):
        weight = weight * (of.deviation / task.deviation)
        return _Rows([0], weight, (bias * of.deviation + of.mean - task.mean) / task.deviation)
    pairs = shared(classes, model.classes)
    rows = list(pairs.values())
    return _Rows(list(pairs), weight[rows], bias[rows]) if pairs else None


def _works(model: Model, problem: Problem) -> bool:
    """Whether the source's head, as it is, says clearly more than chance of the labelled target."""
    train = problem.target.train
    if not problem.labelled:
        return False
    x = features(model.backbone, train, problem.backbone.preprocess, problem.memory)
    outputs = said(model, problem.task, train.classes, x)
    return outputs is not None and problem.task.knows(outputs, train.labels)
