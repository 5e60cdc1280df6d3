"""The head first, then the last blocks at a smaller rate."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import probing, tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class ProbeThenTune(Method):
    """The textbook recipe: train the head on frozen features, then unfreeze the last blocks at a smaller rate.

    The frozen first blocks run once for each of a few remembered variants of a picture, not once an epoch.
    Reference: Kumar et al., Fine-tuning can distort pretrained features and underperform out-of-distribution,
    ICLR 2022.
    """

    cost: ClassVar[float] = 0.55
    blocks: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Share of the backbone's blocks, counted from the last, that the second phase trains."""
    probe: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the steps that train the head alone."""
    descent: Descent = Descent(rate=1e-3, average=0.98, views=8)
    """How to train the second phase; the head alone is trained at ten times this rate."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        probe, tune = probing(self.descent, self.probe)
        return probe, tuning(tune, Freeze(keep=self.blocks), SetNorm())
