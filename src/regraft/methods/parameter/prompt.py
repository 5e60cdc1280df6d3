"""Learned tokens before each text, for a frozen network."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.edits import prompt as edits
from regraft.edits.new_head import NewHead
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class Prompt(Method):
    """Freeze the source's weights; train tokens that come before each text, and a new head.

    Only networks of text: a prompt works by being attended to, which takes a transformer.
    Reference: Lester, Al-Rfou and Constant, The power of scale for parameter-efficient prompt tuning, EMNLP 2021,
    section 2.
    """

    raced: ClassVar[bool] = False
    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    cost: ClassVar[float] = 1.0
    tokens: Annotated[int, Field(ge=1)] = 8
    """Length of the prompt."""
    descent: Descent = Descent(batch_size=24, rate=3e-2, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (tuning(self.descent, NewHead(), edits.Prompt(tokens=self.tokens)),)
