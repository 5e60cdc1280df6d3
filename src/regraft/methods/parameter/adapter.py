"""Bottlenecks between frozen layers."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits import adapter as edits
from regraft.edits.new_head import NewHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class Adapter(Method):
    """Freeze the source's weights; train a bottleneck after each layer, the normalisation layers, and a new head.

    Reference: Houlsby et al., Parameter-efficient transfer learning for NLP, ICML 2019, section 2.1.
    """

    raced: ClassVar[bool] = False
    cost: ClassVar[float] = 1.2
    width: Annotated[int, Field(ge=1)] = 32
    """Numbers in each bottleneck."""
    descent: Descent = Descent(batch_size=24, rate=3e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (tuning(self.descent, NewHead(), SetNorm(), edits.Adapter(width=self.width)),)
