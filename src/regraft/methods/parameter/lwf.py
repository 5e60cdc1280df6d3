"""Fine-tuning that goes on saying what the source says."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.keep_outputs import KeepOutputs
from regraft.training import Phase


@settings
class Lwf(Method):
    """Learning without forgetting: fine-tune everything while the source's own head goes on answering as before.

    It sees the labelled target only. A source that gives features without a head has nothing to keep.
    Reference: Li and Hoiem, Learning without forgetting, TPAMI 2018, eq. 1 to 3.
    """

    raced: ClassVar[bool] = False
    cost: ClassVar[float] = 1.4
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the old answers (the paper's lambda)."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Of the old answers."""
    descent: Descent = Descent(batch_size=24, rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        old = Weighted(term=KeepOutputs(temperature=self.temperature), weight=self.weight)
        return (tuning(self.descent, old=old),)
