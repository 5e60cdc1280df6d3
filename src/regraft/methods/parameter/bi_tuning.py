"""Fine-tuning that contrasts the classes beside telling them apart."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.methods._base import Method
from regraft.methods.parameter._tuning import tuning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Weighted
from regraft.terms.contrast_classes import ContrastClasses
from regraft.training import Phase


@settings
class BiTuning(Method):
    """Fine-tune everything with the task's loss and two contrastive ones, of the class vectors and of the features.

    Reference: Zhong et al., Bi-tuning of pre-trained representations, arXiv 2020, eq. 6.
    """

    raced: ClassVar[bool] = False
    cost: ClassVar[float] = 1.6
    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the contrastive losses."""
    contrast: Annotated[ContrastClasses, Choice("terms")] = ContrastClasses()
    """How classes are contrasted."""
    descent: Descent = Descent(batch_size=24, rate=1e-3, average=0.98)
    """How to train."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return (tuning(self.descent, contrast=Weighted(term=self.contrast, weight=self.weight)),)
