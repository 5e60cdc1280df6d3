"""A discriminator of domains that the features must mislead."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from regraft.core.batch import Stream, View
from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import BOTH, discriminator, judged, require_classes, reverse, warming
from regraft.terms._own import entropies

_WIDEST = 4096  # numbers in a map of features and predictions; from there on it is drawn at random
_DRAWN = 1024  # numbers in a map that is


@settings
class DomainAdversary(Term):
    """The loss of a perceptron that tells source from target, reversed on its way to the features.

    The reversed gradient grows over the phase. ``conditional``: the perceptron sees each feature times each predicted
    probability. The mean is over each domain, then both are added.
    Reference: Ganin et al., Domain-adversarial training of neural networks, JMLR 2016, eq. 9 and section 5.2.2; Long et
    al., Conditional adversarial domain adaptation, NeurIPS 2018, section 3 (multilinear map, random beyond 4,096
    numbers, and entropy conditioning).
    """

    streams: ClassVar[frozenset[Stream]] = BOTH
    conditional: bool = False
    """Whether the discriminator sees predictions with the features."""
    through: bool = True
    """Whether the reversed gradient reaches the predictions that are seen, as in the paper's objective; in the authors'
    code they are constants."""
    entropy: bool = False
    """Whether examples with sure predictions count more: 1 + exp(-entropy), with mean one over each domain."""
    reversal: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the reversed loss for the features, at the end of the phase (the papers' lambda, there 1)."""
    hidden: Annotated[int, Field(ge=1)] = 128
    """Numbers in each of its two hidden layers."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: it is to see predictions, and the model does not predict classes.
        """
        if self.conditional or self.entropy:
            require_classes(problem)
        return _DomainAdversary(self, model.backbone.feature_dim, problem.task.outputs)


def multilinear(features: Tensor, probabilities: Tensor) -> Tensor:
    """Every product of a feature (B, D) and a probability (B, C): rows (B, D * C)."""
    return (features.unsqueeze(2) * probabilities.unsqueeze(1)).flatten(1)


class _DomainAdversary(Bound):
    maps: Tensor
    class_maps: Tensor

    def __init__(self, options: DomainAdversary, dim: int, classes: int) -> None:
        super().__init__()
        self.options = options
        self.random = options.conditional and dim * classes > _WIDEST
        if self.random:
            self.register_buffer("maps", torch.randn(dim, _DRAWN))
            self.register_buffer("class_maps", torch.randn(classes, _DRAWN))
        inputs = _DRAWN if self.random else dim * classes if options.conditional else dim
        self.discriminator = discriminator(inputs, options.hidden)

    def forward(self, round_: Round) -> Tensor:
        factor = self.options.reversal * warming(round_.progress)
        views = [round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED)]
        seen = [self._seen(view, factor) for view in views]
        scores = judged(self.discriminator, seen)
        losses = []
        for view, of, target in zip(views, scores, (1.0, 0.0), strict=True):
            each = F.binary_cross_entropy_with_logits(of, torch.full_like(of, target), reduction="none")
            losses.append((each * self._weights(view)).mean())
        return torch.stack(losses).sum()

    def _seen(self, view: View, factor: float) -> Tensor:
        features = reverse(view.features.float(), factor)
        if not self.options.conditional:
            return features
        probabilities = view.outputs.float().softmax(1)
        probabilities = reverse(probabilities, factor) if self.options.through else probabilities.detach()
        if self.random:
            return (features @ self.maps) * (probabilities @ self.class_maps) / _DRAWN**0.5
        return multilinear(features, probabilities)

    def _weights(self, view: View) -> Tensor:
        if not self.options.entropy:
            return view.features.new_ones(())
        weights = 1 + torch.exp(-entropies(view.outputs.detach(), Labels.CLASSES))
        return weights / weights.mean()
