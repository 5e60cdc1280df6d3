"""Fine-tuning that shrinks the directions of features which carry least."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.shrink_spectrum import ShrinkSpectrum
from regraft.training import Phase


@settings
class Bss(Method):
    """Batch spectral shrinkage: fine-tune everything, with a penalty on the smallest singular values of the features.

    Reference: Chen et al., Catastrophic forgetting meets negative transfer: batch spectral shrinkage for safe transfer
    learning, NeurIPS 2019, eq. 4 and 5.
    """

    raced: ClassVar[bool] = False
    weight: Annotated[float, Field(ge=0)] = 1e-3
    """Weight of the penalty (the paper's eta)."""
    count: Annotated[int, Field(ge=1)] = 1
    """Singular values that are shrunk (the paper's k)."""
    descent: Descent = Descent(batch_size=24, rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        spectrum = Weighted(term=ShrinkSpectrum(count=self.count), weight=self.weight)
        return (tuning(self.descent, spectrum=spectrum),)
