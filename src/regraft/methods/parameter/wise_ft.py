"""Between the source's weights and the fine-tuned ones."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.interpolate import Interpolate
from regraft.edits.keep import Keep
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import probing, tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class WiseFt(Method):
    """Train the head, then everything, and take weights between the two: robust where the target shifts.

    The paper starts from a model that can do the task without training; here that is the source under a trained head.
    Reference: Wortsman et al., Robust fine-tuning of zero-shot models (WiSE-FT), CVPR 2022, eq. 1.
    """

    raced: ClassVar[bool] = False
    share: Annotated[float, Field(ge=0, le=1)] = 0.75
    """Share of the fine-tuned weights (the paper's alpha)."""
    probe: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the steps that train the head alone."""
    descent: Descent = Descent(batch_size=24, rate=1e-3, average=0.98)
    """How to train; the head alone is trained at ten times the rate."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, rest = probing(self.descent, self.probe)
        tune = tuning(rest, Keep(), Freeze(keep=None), SetNorm())
        return head, tune, Phase(edits=(Interpolate(share=self.share),))
