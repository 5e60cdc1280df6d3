"""Learned keys and values before those of each text, for a frozen network."""

from typing import Annotated, ClassVar

from regraft.core.config import Choice, settings
from regraft.edits import prefix as edits
from regraft.edits.new_head import NewHead
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.training import Phase


@settings
class Prefix(Method):
    """Freeze the source's weights; train keys and values that each attention reads before a text's, and a new head.

    Only transformers of text from Hugging Face.
    Reference: Li and Liang, Prefix-tuning: optimizing continuous prompts for generation, ACL 2021, eq. 3.
    """

    raced: ClassVar[bool] = False
    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    cost: ClassVar[float] = 1.0
    adapter: Annotated[edits.Prefix, Choice("edits")] = edits.Prefix()
    """The shape of the prefix."""
    descent: Descent = Descent(batch_size=24, rate=3e-2, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (tuning(self.descent, NewHead(), self.adapter),)
