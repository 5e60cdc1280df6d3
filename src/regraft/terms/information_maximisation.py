"""Confident predictions of each example, diverse ones of all together."""

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._own import diversity, entropies


@settings
class InformationMaximisation(Term):
    """The mean entropy of predictions on the unlabelled target, minus ``diversity`` times the entropy of their mean.

    The second part is of a whole batch, so it is another one when a batch is split. With ``diversity`` 0 this is the
    entropy that TENT lowers; label sets have that part only.
    Reference: Liang et al., Do we really need to access the source data? Source hypothesis transfer for unsupervised
    domain adaptation, ICML 2020, eq. 3 and 4; Wang et al., Tent, ICLR 2021, section 3.1.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.UNLABELED})
    diversity: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the part that keeps all examples from falling into one class."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: diversity is asked of label sets.
        """
        if self.diversity and problem.task.labels is not Labels.CLASSES:
            raise CandidateError("diverse predictions can be asked of classes only; set 'diversity' to 0")
        return _InformationMaximisation(self.diversity, problem.task.labels)


class _InformationMaximisation(Bound):
    def __init__(self, weight: float, labels: Labels) -> None:
        super().__init__()
        self.weight, self.labels = weight, labels

    def forward(self, round_: Round) -> Tensor:
        outputs = round_.view(Stream.UNLABELED).outputs
        value = entropies(outputs, self.labels).mean()
        return value - self.weight * diversity(outputs) if self.weight else value
