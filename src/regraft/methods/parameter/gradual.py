"""Unfreezing from the head down, with smaller rates for deeper blocks."""

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class Gradual(Method):
    """Train the head, then unfreeze a further share of the blocks at each stage, with layer-wise rates.

    Reference: Howard and Ruder, Universal language model fine-tuning for text classification, ACL 2018, section 3.
    """

    cost: ClassVar[float] = 0.65
    stages: Annotated[int, Field(ge=1)] = 3
    """Stages after the head alone; the last one trains everything."""
    descent: Descent = Descent(rate=1e-3, average=0.98, layer_decay=0.9, views=8)
    """How to train; the stages share the steps."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        steps = max(1, self.descent.steps // (self.stages + 1))
        head = replace(self.descent, steps=steps, rate=10 * self.descent.rate, average=0.0)
        stage = replace(self.descent, steps=steps)
        shares = [number / self.stages for number in range(1, self.stages + 1)]
        return tuning(head, NewHead(), SetNorm(), Freeze()), *(tuning(stage, Freeze(keep=share)) for share in shares)
