"""Fine-tuning with batch normalisation that keeps to the source's statistics at random."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits import stoch_norm as edits
from regraft.edits.merge import Merge
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import EVERYTHING, tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class StochNorm(Method):
    """Fine-tune everything; each channel is normalised by the batch's or the stored statistics, drawn at each step.

    Where batch statistics were found to break the source's features, all channels keep the stored ones, and this is
    plain fine-tuning.
    Reference: Kou et al., Stochastic normalization, NeurIPS 2020, eq. 3 to 5.
    """

    raced: ClassVar[bool] = False
    cost: ClassVar[float] = 1.3
    batch_norm: ClassVar[bool] = True
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of the batch's statistics (the paper's p)."""
    descent: Descent = Descent(batch_size=24, rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return tuning(self.descent, *EVERYTHING, edits.StochNorm(share=self.share)), Phase(edits=(Merge(),))
