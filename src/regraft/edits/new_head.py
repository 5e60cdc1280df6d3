"""A head for the target's classes."""

import numpy as np
import torch
from torch import nn

from regraft.core.config import settings
from regraft.edits._base import Edit
from regraft.features import features
from regraft.model import Model, Problem
from regraft.tasks.regression import Regression


@settings
class NewHead(Edit):
    """Replace the head by a new one for the target's labels; classes that the source also names may keep its weights.

    Rows are matched by class name when both heads are a single linear layer. A name can lie: by default the source's
    rows are kept only if, as they are, they are right on the labelled target clearly more often than chance (for label
    sets: order examples with a label before those without). The layer of a source of numbers is kept, in the target's
    units, if it predicts the labelled target better than the mean does.
    """

    reuse: bool | None = None
    """Keep the rows of shared classes: always, never, or (None) if they work on the labelled target."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`."""
        old, known = model.head, {name: row for row, name in enumerate(model.classes)}
        model.head = problem.task.build_head(model.backbone.feature_dim)
        before, model.task = model.task, problem.task
        model.classes = problem.target.train.classes
        if isinstance(before, Regression) and isinstance(problem.task, Regression) and self.reuse is not False:
            _carry(model, old, (before, problem.task), problem, bool(self.reuse))
        shared = [(new, known[name]) for new, name in enumerate(model.classes) if name in known]
        if self.reuse is not False and shared and isinstance(old, nn.Linear) and isinstance(model.head, nn.Linear):
            to, of = (list(rows) for rows in zip(*shared, strict=True))
            if self.reuse or _works(model, old, of, to, problem):
                with torch.no_grad():
                    model.head.weight[to] = old.weight[of]
                    model.head.bias[to] = old.bias[of]
        return model


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


def _works(model: Model, head: nn.Linear, rows: list[int], labels: list[int], problem: Problem) -> bool:
    """Whether the source's rows say clearly more than chance of the labelled target, as they are."""
    train = problem.target.train
    x = torch.from_numpy(np.array(features(model.backbone, train, problem.backbone.preprocess, problem.memory)))
    outputs = np.full((len(train), len(train.classes)), -np.inf)
    with torch.no_grad():
        outputs[:, labels] = head(x.to(head.weight.device))[:, rows].cpu().numpy()
    return problem.task.knows(outputs, train.labels)
