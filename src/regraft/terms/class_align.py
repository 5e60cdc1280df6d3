"""A discrepancy between domains, class by class."""

import torch
from torch import Tensor
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.divergences.mmd import Mmd
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round
from regraft.terms._domains import ClassWise

_KERNEL = Mmd()


@settings
class ClassAlign(ClassWise):
    """Local maximum mean discrepancy: of each class, where target examples count by their predicted probability.

    Probabilities are constants to the gradient. The mean is over the classes that the source has in a batch, where the
    paper has all. It is of a whole batch, so it is another one when a batch is split.
    Reference: Zhu et al., Deep subdomain adaptation network for image classification, TNNLS 2021, section III
    (local maximum mean discrepancy).
    """

    def bound(self, model: Model, problem: Problem) -> Bound:
        """See `ClassWise.bound`."""
        return _ClassAlign(problem.task.outputs)


def local(kernel: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """The discrepancy from similarities (N + M, N + M) and class memberships (N, C) and (M, C)."""
    present = source.sum(0) > 0
    one, other = (members / members.sum(0).clamp_min(1e-12) for members in (source, target))
    weights = torch.cat([one, -other]) * present
    return (weights * (kernel @ weights)).sum() / present.sum()


class _ClassAlign(Bound):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, round_: Round) -> Tensor:
        source, target = (round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED))
        assert source.targets is not None
        known = F.one_hot(source.targets, self.classes).float()
        features = torch.cat([source.features, target.features]).float()
        with torch.autocast(features.device.type, enabled=False):
            return local(_KERNEL.kernel(features), known, target.outputs.detach().float().softmax(1))
