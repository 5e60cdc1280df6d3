"""A source with more classes than the target shows."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round
from regraft.terms._domains import ClassWise, discriminator, judged, reverse, warming
from regraft.terms._refreshing import Refreshing


@settings
class PartialAdversary(ClassWise):
    """The source's own loss and that of a discriminator, each class by how often the target seems to have it.

    The weight of a class is the mean of its predicted probability over the whole unlabelled target, over the largest.
    The discriminator's loss is reversed on its way to the features, growing over the phase.
    Reference: Cao et al., Partial adversarial domain adaptation, ECCV 2018, section 3.
    """

    adversary: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the discriminator's loss."""
    reversal: Annotated[float, Field(ge=0)] = 0.1
    """Weight of that loss for the features, reversed, at the end of the phase."""
    refreshes: Annotated[int, Field(ge=1)] = 5
    """How often the weights of classes are found, at even distances."""
    hidden: Annotated[int, Field(ge=1)] = 128
    """Numbers in each of the discriminator's two hidden layers."""

    def bound(self, model: Model, problem: Problem) -> Bound:
        """See `ClassWise.bound`."""
        return _PartialAdversary(self, model.backbone.feature_dim, problem)


class _PartialAdversary(Refreshing):
    weights: Tensor

    def __init__(self, options: PartialAdversary, dim: int, problem: Problem) -> None:
        super().__init__(options.refreshes, problem)
        self.options, self.discriminator = options, discriminator(dim, options.hidden)
        self.register_buffer("weights", torch.ones(problem.task.outputs))

    def forward(self, round_: Round) -> Tensor:
        self.refresh(round_)
        source, target = (round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED))
        assert source.targets is not None
        weights = self.weights[source.targets]
        factor = self.options.reversal * warming(round_.progress)
        seen = [reverse(view.features.float(), factor) for view in (source, target)]
        first, second = judged(self.discriminator, seen)
        told = -(weights * F.logsigmoid(first)).mean() - F.logsigmoid(-second).mean()
        return self.problem.task.loss(source.outputs, source.targets, weights) + self.options.adversary * told

    def find(self, features: np.ndarray, probabilities: np.ndarray) -> None:
        mean = torch.from_numpy(probabilities.mean(0))
        self.weights.copy_(mean / mean.max())
