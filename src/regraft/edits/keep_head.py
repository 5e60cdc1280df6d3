"""The source's head, for the target's classes."""

from typing import Literal

import torch
from torch import nn

from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.data.names import shared
from regraft.edits._base import Edit
from regraft.model import Model, Problem

_NEVER = -1e4
"""A score that no other falls below."""


@settings
class KeepHead(Edit):
    """Keep the source's head as it is, the rows in the order of the target's classes: no label is read.

    Classes are matched by name (see `names.shared`). Where there are no labelled target examples, nothing else can say
    what an output means.
    """

    lacking: Literal["refused", "silent", "learned"] = "refused"
    """Classes of the target that the head does not name: an error, outputs that never win, or rows that start anew."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`.

        Raises:
            CandidateError: the source predicts something else, or its head does not name all classes of the target.
        """
        if model.task is None or model.task.labels is not problem.task.labels:
            raise CandidateError(
                "this source has no head for what the target's labels are; without labels it needs one"
            )
        classes = problem.task.classes
        rows = shared(classes, model.classes)
        missing = [name for place, name in enumerate(classes) if place not in rows]
        if missing and (self.lacking == "refused" or not rows):
            raise CandidateError(f"the source's head does not name the class {missing[0]!r}; without labels it must")
        order = [rows.get(place, -1) for place in range(len(classes))]
        if order != list(range(len(model.classes))):
            model.head = _reordered(model.head, order, self.lacking == "silent")
        if classes:  # a head of numbers speaks in the units of its own task
            model.classes, model.task = classes, problem.task
        return model


def _reordered(head: nn.Module, rows: list[int], silent: bool) -> nn.Linear:
    """The head with these rows of it; where one is -1, what it has at random, or one that is never the largest."""
    if not isinstance(head, nn.Linear):
        raise CandidateError("the source's head is no single layer, so its classes cannot be put in the target's order")
    other = nn.Linear(head.in_features, len(rows), head.bias is not None or -1 in rows).to(head.weight.device)
    known, lacking = [place for place, row in enumerate(rows) if row >= 0], [p for p, row in enumerate(rows) if row < 0]
    kept = [row for row in rows if row >= 0]
    with torch.no_grad():
        other.weight[known] = head.weight[kept]
        if other.bias is not None:
            other.bias[known] = 0.0 if head.bias is None else head.bias[kept]
        if silent and lacking:
            other.weight[lacking], other.bias[lacking] = 0.0, _NEVER
    return other
