"""Fine-tuning in named stages."""

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method
from regraft.methods.parameter._stage import Stage
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class Staged(Method):
    """Train in stages, each with blocks, a rate and a part of the steps of its own.

    Probing then tuning and gradual unfreezing are special cases, as is staging that freezes again what was free.
    Reference: Howard and Ruder, Universal language model fine-tuning for text classification, ACL 2018, section 3;
    Kumar et al., Fine-tuning can distort pretrained features and underperform out-of-distribution, ICLR 2022.
    """

    raced: ClassVar[bool] = False
    cost: ClassVar[float] = 0.75
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (
        Stage(name="head", blocks=0.0, rate=10.0, steps=1.0),
        Stage(name="last blocks", blocks=0.5, steps=2.0),
        Stage(name="everything", steps=3.0),
    )
    """The stages, in order."""
    descent: Descent = Descent(batch_size=24, rate=1e-3, average=0.98, views=8)
    """How to train; the stages share the steps, and have their own factor on the rate."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        parts, phases = sum(stage.steps for stage in self.stages), list[Phase]()
        for number, stage in enumerate(self.stages):
            steps = max(1, int(self.descent.steps * stage.steps / parts))
            first = () if number else (NewHead(), SetNorm())
            descent = replace(self.descent, steps=steps, rate=stage.rate * self.descent.rate)
            phases.append(tuning(descent, *first, Freeze(keep=None if stage.blocks == 1 else stage.blocks)))
        return tuple(phases)
