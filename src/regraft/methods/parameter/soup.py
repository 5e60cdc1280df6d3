"""The mean of several fine-tuned networks."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits import soup as edits
from regraft.methods._base import Method
from regraft.methods.parameter._soup import cooked
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class Soup(Method):
    """Train the head, then everything several times from there, at several rates, and average the weights.

    Reference: Wortsman et al., Model soups: averaging weights of multiple fine-tuned models improves accuracy without
    increasing inference time, ICML 2022, section 2.
    """

    raced: ClassVar[bool] = False
    rates: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (1.0, 0.6, 1.6)
    """Factors on the rate, one a member."""
    probe: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the steps that train the head alone, from which all members start."""
    descent: Descent = Descent(batch_size=24, rate=1e-3, average=0.98)
    """How to train; the members share the steps, and the head alone is trained at ten times the rate."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return cooked(self.descent, self.probe, self.rates, edits.Soup(), 0.0)
