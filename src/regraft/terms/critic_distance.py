"""The distance between domains that a smooth critic sees."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import BOTH, discriminator, reverse, warming
from regraft.terms._drawing import Drawing


@settings
class CriticDistance(Term):
    """The critic's mean score of the target minus that of the source, and a penalty on its gradients.

    The critic lowers this; the features see the scores reversed, growing over the phase, and the penalty not at all.
    One step of each at once, where the paper takes several steps of the critic before one of the features.
    Reference: Shen et al., Wasserstein distance guided representation learning for domain adaptation, AAAI 2018,
    algorithm 1.
    """

    streams: ClassVar[frozenset[Stream]] = BOTH
    penalty: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the mean of (norm of the critic's gradient - 1)^2."""
    reversal: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the distance for the features, at the end of the phase (the paper's lambda)."""
    hidden: Annotated[int, Field(ge=1)] = 256
    """Numbers in each of the critic's two hidden layers."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _CriticDistance(self, model.backbone.feature_dim, problem.seed)


class _CriticDistance(Drawing):
    def __init__(self, options: CriticDistance, dim: int, seed: int) -> None:
        super().__init__(seed)
        self.options, self.critic = options, discriminator(dim, options.hidden)

    def forward(self, round_: Round) -> Tensor:
        source, target = (round_.view(stream).features.float() for stream in (Stream.SOURCE, Stream.UNLABELED))
        with torch.autocast(source.device.type, enabled=False):
            factor = self.options.reversal * warming(round_.progress)
            one, other = (self.critic(reverse(x, factor)).mean() for x in (source, target))
            return self.options.penalty * self._roughness(source.detach(), target.detach(), round_) - (one - other)

    def _roughness(self, source: Tensor, target: Tensor, round_: Round) -> Tensor:
        """At both domains and between pairs of them."""
        count = min(len(source), len(target))
        share = self.drawn((count, 1), round_, "between")
        points = torch.cat([source, target, torch.lerp(source[:count], target[:count], share)])
        with torch.enable_grad():
            points.requires_grad_(True)
            slopes = torch.autograd.grad(self.critic(points).sum(), points, create_graph=True)[0]
        return (slopes.norm(dim=1) - 1).square().mean()
