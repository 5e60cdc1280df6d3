"""What it costs to carry the source's features and labels to the target."""

import math
from typing import Annotated

import torch
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round
from regraft.terms._domains import ClassWise


@settings
class Transport(ClassWise):
    """The least mean cost of pairing a source batch with a target batch, by features and by labels.

    A pair costs the squared distance of its features and the cross-entropy of the target's prediction with the source's
    label. The pairing is exact, and a constant to the gradient. It is of a whole batch, so it is another one when a
    batch is split.
    Reference: Damodaran et al., DeepJDOT: deep joint distribution optimal transport for unsupervised domain adaptation,
    ECCV 2018, section 3.
    """

    distance: Annotated[float, Field(ge=0)] = 0.01
    """Weight of the squared distance (the paper's alpha)."""
    labels: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the cross-entropy (the paper's lambda)."""

    def bound(self, model: Model, problem: Problem) -> Bound:
        """See `ClassWise.bound`."""
        return _Transport(self)


def pairing(cost: Tensor) -> Tensor:
    """The plan (N, M) with sum one between N and M examples that all weigh alike and the least total ``cost`` (N, M).

    Copies make both sides equally many; then an optimal plan pairs them one to one.
    """
    n, m = cost.shape
    size = math.lcm(n, m)
    copies = cost.detach().cpu().double().repeat_interleave(size // n, 0).repeat_interleave(size // m, 1)
    rows, columns = (torch.from_numpy(found) for found in linear_sum_assignment(copies.numpy()))
    plan = torch.zeros(n, m, dtype=torch.float64)
    plan.index_put_((rows // (size // n), columns // (size // m)), plan.new_tensor(1 / size), accumulate=True)
    return plan.to(cost)


class _Transport(Bound):
    def __init__(self, options: Transport) -> None:
        super().__init__()
        self.options = options

    def forward(self, round_: Round) -> Tensor:
        source, target = (round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED))
        assert source.targets is not None
        apart = torch.cdist(source.features.float(), target.features.float()).square()
        surprise = -F.log_softmax(target.outputs.float(), 1)[:, source.targets].T
        cost = self.options.distance * apart + self.options.labels * surprise
        return (pairing(cost) * cost).sum()
