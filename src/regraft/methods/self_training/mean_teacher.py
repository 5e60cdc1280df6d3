"""Agreement with the running average of the model."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.edits.freeze import Freeze
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import anchored
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms import mean_teacher as terms_
from regraft.terms._base import Weighted
from regraft.training import Phase


@settings
class MeanTeacher(Method):
    """Learn to agree, on unlabelled target examples, with the running average of the own weights.

    What is kept is that average, as in the paper. The ramp is linear, the paper's exponential.
    Reference: Tarvainen and Valpola, Mean teachers are better role models: weight-averaged consistency targets improve
    semi-supervised deep learning results, NeurIPS 2017, section 2.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.UNLABELED})
    cost: ClassVar[float] = 3.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    raced_blind: ClassVar[bool] = True
    weight: Annotated[float, Field(ge=0)] | None = None
    """Weight of the agreement at the end of its ramp; None: 30 for probabilities, 1 for numbers."""
    ramp: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the steps over which that weight grows from zero."""
    descent: Descent = Descent(batch_size=64, rate=1e-3, average=0.98)
    """How to train; ``average`` is also the teacher's decay."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = anchored(problem)
        agree = terms_.MeanTeacher(decay=self.descent.average)
        usual = 1.0 if problem.task.labels is Labels.NUMBERS else 30.0
        weight = usual if self.weight is None else self.weight
        terms["agree"] = Weighted(term=agree, weight=weight, ramp=self.ramp)
        return (Phase(edits=(head, Freeze(keep=None), SetNorm()), terms=terms, descent=self.descent),)
