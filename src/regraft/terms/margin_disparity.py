"""A second head that agrees with the first on the source and disagrees on the target."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round
from regraft.terms._domains import ClassWise, reverse, second_head, warming


@settings
class MarginDisparity(ClassWise):
    """Minus the margin disparity discrepancy, as the second head sees it; features see it reversed, growing over time.

    What the first head decides are labels: constants to the gradient.
    Reference: Zhang et al., Bridging theory and algorithm for domain adaptation, ICML 2019, section 4 (the minimax
    problem with cross-entropy on the source and its modified form on the target).
    """

    margin: Annotated[float, Field(ge=1)] = 4.0
    """The weight gamma of the source: exp of the margin."""
    reversal: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the discrepancy for the features, at the end of the phase (the paper's eta)."""

    def bound(self, model: Model, problem: Problem) -> Bound:
        """See `ClassWise.bound`."""
        return _MarginDisparity(self, second_head(model, problem))


def disagreement(outputs: Tensor, decided: Tensor) -> Tensor:
    """The mean of -log(1 - p), with p the probability in ``outputs`` (B, K) of what was ``decided`` (B,)."""
    others = outputs.scatter(1, decided.unsqueeze(1), -torch.inf)
    return (outputs.logsumexp(1) - others.logsumexp(1)).mean()


class _MarginDisparity(Bound):
    def __init__(self, options: MarginDisparity, head: nn.Module) -> None:
        super().__init__()
        self.options, self.head = options, head

    def forward(self, round_: Round) -> Tensor:
        source, target = (round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED))
        factor = self.options.reversal * warming(round_.progress)
        said = [self.head(reverse(view.features, factor)).float() for view in (source, target)]
        agreed = F.cross_entropy(said[0], source.outputs.argmax(1))
        return self.options.margin * agreed + disagreement(said[1], target.outputs.argmax(1))
