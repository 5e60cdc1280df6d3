"""Agreement with a running average of the model."""

from copy import deepcopy
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.tasks._base import Task
from regraft.terms._base import Bound, Round, Term
from regraft.terms._following import Stepping, follow


@settings
class MeanTeacher(Term):
    """Mean squared difference between the model's predictions and those of a teacher on another view of the examples.

    The teacher has the running average of the weights, follows after each step, and is dropped after the phase.
    Reference: Tarvainen and Valpola, Mean teachers are better role models, NeurIPS 2017, section 2 (J and equation of
    theta prime).
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.UNLABELED, Stream.TWIN})
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """How much of the teacher's weights stays after a step; less in the first steps, so that it forgets the start."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _MeanTeacher(self.decay, model, problem.task)


class _MeanTeacher(Stepping):
    step: Tensor

    def __init__(self, decay: float, model: Model, task: Task) -> None:
        super().__init__()
        self.decay, self.task = decay, task
        self.teacher = deepcopy(model).requires_grad_(False)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, round_: Round) -> Tensor:
        if self.stepped(round_):
            self.step += 1
            step = int(self.step.item())
            follow(self.teacher, round_.model, min(self.decay, (1 + step) / (10 + step)))
        with torch.no_grad():
            wanted = self._said(self.teacher.view(round_.batches[Stream.TWIN]).outputs)
        return F.mse_loss(self._said(round_.view(Stream.UNLABELED).outputs), wanted)

    def _said(self, outputs: Tensor) -> Tensor:
        """Probabilities; numbers as the head gives them, in standard deviations, so that their unit does not matter."""
        return outputs.float() if self.task.labels is Labels.NUMBERS else self.task.predict(outputs)
