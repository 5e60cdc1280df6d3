"""Two classifiers that differ where the target is unlike the source."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round
from regraft.terms._domains import ClassWise, reverse, second_head, warming
from regraft.terms._drawing import Drawing


@settings
class ClassifierDiscrepancy(ClassWise):
    """A second head learns the source, minus how far the predictions of both heads differ on the target.

    The heads raise the difference and the features lower it, in one step by a reversed gradient that grows over the
    phase. The paper alternates: a step of all on the source, one of the heads, then four of the features, which see
    nothing but the difference in those. Here it outweighs the source for them, ``reversal`` times the heads' weight.
    The difference is the mean over examples and classes. For each head other features are dropped at random, as
    in the authors' networks.
    Reference: Saito et al., Maximum classifier discrepancy for unsupervised domain adaptation, CVPR 2018, section 3
    (steps A to C).
    """

    weight: Annotated[float, Field(ge=0)] = 4.0
    """Weight of the difference beside the loss of the second head (the paper's is 1, with heads of three layers)."""
    reversal: Annotated[float, Field(ge=0)] = 25.0
    """How many times more it weighs for the features, at the end of the phase."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the features that each head does not see."""

    def bound(self, model: Model, problem: Problem) -> Bound:
        """See `ClassWise.bound`."""
        return _ClassifierDiscrepancy(self, second_head(model, problem), problem)


class _ClassifierDiscrepancy(Drawing):
    def __init__(self, options: ClassifierDiscrepancy, head: nn.Module, problem: Problem) -> None:
        super().__init__(problem.seed)
        self.options, self.task, self.head = options, problem.task, head

    def forward(self, round_: Round) -> Tensor:
        source, target = round_.view(Stream.SOURCE), round_.view(Stream.UNLABELED)
        assert source.targets is not None
        learned = self.task.loss(self.head(self._dropped(source.features, round_, "source")), source.targets)
        features = reverse(target.features, self.options.reversal * warming(round_.progress))
        one = round_.model.head(self._dropped(features, round_, "one")).float().softmax(1)
        other = self.head(self._dropped(features, round_, "other")).float().softmax(1)
        return learned - self.options.weight * (one - other).abs().mean()

    def _dropped(self, features: Tensor, round_: Round, purpose: str) -> Tensor:
        kept = self.drawn(tuple(features.shape), round_, purpose) >= self.options.dropout
        return features * kept / (1 - self.options.dropout)
