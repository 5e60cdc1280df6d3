"""Features of the target that a discriminator cannot tell from those of a frozen copy on the source."""

from copy import deepcopy
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import BOTH, discriminator


@settings
class EncoderAdversary(Term):
    """Two losses at once: the discriminator's, and that of the target's features with inverted labels.

    The source is encoded by the backbone as it was when the phase began, which stays so; the target by the backbone
    that learns. The first loss moves the discriminator only, the second one the backbone only.
    Reference: Tzeng et al., Adversarial discriminative domain adaptation, CVPR 2017, eq. 9.
    """

    streams: ClassVar[frozenset[Stream]] = BOTH
    hidden: Annotated[int, Field(ge=1)] = 128
    """Numbers in each of its two hidden layers."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _EncoderAdversary(self.hidden, model)


class _EncoderAdversary(Bound):
    def __init__(self, hidden: int, model: Model) -> None:
        super().__init__()
        self.source = deepcopy(model).requires_grad_(False).eval()
        self.discriminator = discriminator(model.backbone.feature_dim, hidden)

    def forward(self, round_: Round) -> Tensor:
        with torch.no_grad():
            known = self.source.view(round_.batches[Stream.SOURCE]).features
        made = round_.view(Stream.UNLABELED).features.float()
        fixed = {name: p.detach() for name, p in self.discriminator.named_parameters()}
        losses = (
            _said(self.discriminator(known.float()), 1.0),
            _said(self.discriminator(made.detach()), 0.0),
            _said(functional_call(self.discriminator, fixed, (made,)), 1.0),
        )
        return torch.stack(losses).sum()


def _said(scores: Tensor, wanted: float) -> Tensor:
    scores = scores.float()
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, wanted))
