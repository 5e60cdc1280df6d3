"""Adversarial discriminative domain adaptation."""

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.edits.freeze import Freeze
from regraft.edits.freeze_head import FreezeHead
from regraft.edits.set_norm import SetNorm
from regraft.methods._base import Method, Need
from regraft.methods._start import start
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.encoder_adversary import EncoderAdversary
from regraft.terms.supervised import Supervised
from regraft.training import Phase


@settings
class Adda(Method):
    """Learn the source, then move the target's features to where a frozen encoder has those of the source.

    The head stays as the source made it, unless there are labelled target examples, which teach it in both phases.
    Reference: Tzeng et al., Adversarial discriminative domain adaptation, CVPR 2017, eq. 9.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL, Need.SOURCE_DATA, Need.UNLABELED})
    cost: ClassVar[float] = 3.0
    raced: ClassVar[bool] = False
    blind: ClassVar[bool] = True
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the steps that learn the source."""
    factor: Annotated[float, Field(gt=0)] = 0.1
    """Factor on the rate of the encoder in the second phase, where little keeps classes apart."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the adversary."""
    target: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the loss on labelled target examples."""
    descent: Descent = Descent(rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        head, terms = start(problem, self.target)
        first = max(1, round(self.share * self.descent.steps))
        source = {**terms, "source": Weighted(term=Supervised(stream=Stream.SOURCE))}
        adapt = {**terms, "adversary": Weighted(term=EncoderAdversary(), weight=self.weight)}
        then = replace(
            self.descent, steps=max(1, self.descent.steps - first), rate=self.factor * self.descent.rate,
            head_factor=self.descent.head_factor / self.factor,
        )  # fmt: skip
        return (
            Phase(edits=(head, Freeze(keep=None), SetNorm()), terms=source, descent=replace(self.descent, steps=first)),
            Phase(edits=() if problem.labelled else (FreezeHead(),), terms=adapt, descent=then),
        )
