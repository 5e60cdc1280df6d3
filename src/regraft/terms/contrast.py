"""Two views of an example lie close to each other and far from those of all others."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term


@settings
class Contrast(Term):
    """The normalised temperature-scaled cross-entropy (NT-Xent) between two views of each unlabelled example.

    Features go through a perceptron of two layers first, which is dropped after the phase.
    Reference: Chen et al., A simple framework for contrastive learning of visual representations, ICML 2020, eq. 1.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.UNLABELED, Stream.TWIN})
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Divides the cosines. Lower ones push the nearest away hardest: of few classes, those of the same class."""
    width: Annotated[int, Field(ge=1)] = 128
    """Numbers that the perceptron makes of the features."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _Contrast(self, model.backbone.feature_dim)


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """The mean of equation 1 over all 2 N views: ``a`` and ``b`` (N, D), the rows of one example at the same place."""
    z = F.normalize(torch.cat([a, b]))
    scores = (z @ z.T / temperature).fill_diagonal_(float("-inf"))
    n = len(a)
    return F.cross_entropy(scores, torch.arange(2 * n, device=z.device).roll(n))


class _Contrast(Bound):
    def __init__(self, options: Contrast, features: int) -> None:
        super().__init__()
        self.options = options
        self.projection = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, options.width))

    def forward(self, round_: Round) -> Tensor:
        views = (round_.view(stream).features for stream in (Stream.UNLABELED, Stream.TWIN))
        a, b = (self.projection(view) for view in views)
        return nt_xent(a, b, self.options.temperature)
