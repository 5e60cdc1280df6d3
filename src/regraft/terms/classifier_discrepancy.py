"""Two classifiers that differ where the target is unlike the source."""

from torch import Tensor, nn

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.tasks._base import Task
from regraft.terms._base import Bound, Round
from regraft.terms._domains import ClassWise, reverse, second_head, warming


@settings
class ClassifierDiscrepancy(ClassWise):
    """A second head learns the source, minus how far the predictions of both heads differ on the target.

    The heads raise the difference and the features lower it, in one step by a reversed gradient that grows over the
    phase (the authors' variant ``one step`` has it at full strength); the paper alternates three steps. The difference
    is the mean over examples and classes.
    Reference: Saito et al., Maximum classifier discrepancy for unsupervised domain adaptation, CVPR 2018, section 3
    (steps A to C).
    """

    def bound(self, model: Model, problem: Problem) -> Bound:
        """See `ClassWise.bound`."""
        return _ClassifierDiscrepancy(problem.task, second_head(model, problem))


class _ClassifierDiscrepancy(Bound):
    def __init__(self, task: Task, head: nn.Module) -> None:
        super().__init__()
        self.task, self.head = task, head

    def forward(self, round_: Round) -> Tensor:
        source, target = round_.view(Stream.SOURCE), round_.view(Stream.UNLABELED)
        features = reverse(target.features, warming(round_.progress))
        assert source.targets is not None
        one, other = (head(features).float().softmax(1) for head in (round_.model.head, self.head))
        return self.task.loss(self.head(source.features), source.targets) - (one - other).abs().mean()
