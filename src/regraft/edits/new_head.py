"""A head for the target's classes."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from regraft.core.config import settings
from regraft.data.names import shared
from regraft.edits._base import Edit
from regraft.features import features
from regraft.model import Model, Problem
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
        old, pairs = model.head, shared(problem.target.train.classes, model.classes)
        reuse = self.reuse or (self.reuse is None and _works(model, pairs, problem))
        model.head = problem.task.build_head(model.backbone.feature_dim)
        before, model.task = model.task, problem.task
        model.classes = problem.target.train.classes
        if isinstance(before, Regression) and isinstance(problem.task, Regression) and self.reuse is not False:
            _carry(model, old, (before, problem.task), problem, bool(self.reuse))
        if reuse and pairs and isinstance(old, nn.Linear) and isinstance(model.head, nn.Linear):
            with torch.no_grad():
                model.head.weight[list(pairs)] = old.weight[list(pairs.values())]
                model.head.bias[list(pairs)] = old.bias[list(pairs.values())]
        elif self.hurried and model.batch_norms and not isinstance(problem.task, Regression):
            model.head_tempo = max(1.0, _WIDE / model.backbone.feature_dim)
        return model


def reused(model: Model, problem: Problem) -> tuple[str, bool]:
    """What `NewHead` does, by default, with the head of a source ``model``, in words, and whether that keeps any of it.

    No words where the two name no class in common.
    """
    classes = problem.target.train.classes
    pairs = shared(classes, model.classes)
    if not pairs or not isinstance(model.head, nn.Linear):
        return "", False
    names = ", ".join(classes[place] for place in list(pairs)[:_NAMED])
    names += f" and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
    of = f"{len(pairs)} of {len(classes)} {problem.target.train.examples.labelling.many}"
    if not problem.labelled:
        return f"{of} have the name of one of the source's: {names}", False
    if _works(model, pairs, problem):
        return f"{of} start from the source's head, which knows them as it is: {names}", True
    return f"{of} have the name of one of the source's, whose head is of no use for them: {names}", False


def _carry(model: Model, old: nn.Module, tasks: tuple[Regression, Regression], problem: Problem, always: bool) -> None:
    """Set the new layer to the old one in the units of the new task, if it is of use there."""
    of, to = tasks
    if not (isinstance(old, nn.Linear) and isinstance(model.head, nn.Linear)):
        return
    weight = old.weight.detach().cpu() * (of.deviation / to.deviation)
    bias = (old.bias.detach().cpu() * of.deviation + of.mean - to.mean) / to.deviation
    train = problem.target.train
    x = torch.from_numpy(np.array(features(model.backbone, train, problem.backbone.preprocess, problem.memory)))
    if always or to.knows((x @ weight.T + bias).numpy(), train.labels):
        with torch.no_grad():
            model.head.weight.copy_(weight)
            model.head.bias.copy_(bias)


def _works(model: Model, pairs: Mapping[int, int], problem: Problem) -> bool:
    """Whether the source's rows, as they are, say clearly more than chance of the labelled target.

    ``pairs``: rows of the source's classes, by those of the target.
    """
    train, head = problem.target.train, model.head
    if not problem.labelled or not pairs or not isinstance(head, nn.Linear):
        return False
    x = torch.from_numpy(np.array(features(model.backbone, train, problem.backbone.preprocess, problem.memory)))
    outputs = np.full((len(train), len(train.classes)), -np.inf)
    with torch.no_grad():
        outputs[:, list(pairs)] = head(x.to(head.weight.device))[:, list(pairs.values())].cpu().numpy()
    return problem.task.knows(outputs, train.labels)
