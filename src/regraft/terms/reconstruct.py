"""Predict what was hidden of an example from the rest of it."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.backbones._text import entered, unpooled
from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.preprocessing._text import PAD, Text
from regraft.terms._base import Bound, Round, Term
from regraft.terms._drawing import Drawing

_SIDE = 32  # pixels on a side of the pictures that are predicted, at most
_PATCHES = 8  # patches across a picture, at most; two pixels wide at least


@settings
class Reconstruct(Term):
    """Hide a share of each unlabelled example and predict it: patches of pictures, tokens of texts.

    Pictures: hidden patches are grey, a perceptron predicts the picture (at most 32 pixels on a side) from the
    features, and the loss is the squared error of the hidden pixels; so any network will do. Texts: of the hidden
    tokens 80% become the token that stands for hidden ones, 10% another, and 10% stay; one layer and the embeddings
    predict them from the state of each token, and the loss is the cross-entropy. What predicts is dropped after the
    phase.
    Reference: He et al., Masked autoencoders are scalable vision learners, CVPR 2022, section 3; Pathak et al., Context
    encoders, CVPR 2016, eq. 1; Devlin et al., BERT, NAACL 2019, section 3.1, task 1.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.UNLABELED})
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """How much is hidden; None: half of a picture, 15% of a text."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            UserError: a network of text without a state of each token, or with one that sees what comes before only.
        """
        preprocess = problem.backbone.preprocess
        if isinstance(preprocess, Text):
            return _Tokens(self.share or 0.15, model, preprocess, problem.seed)
        return _Pixels(self.share or 0.5, model, preprocess.sample(1).shape[-1], problem.seed)


class _Hiding(Drawing):
    def __init__(self, share: float, seed: int) -> None:
        super().__init__(seed)
        self.share = share


class _Pixels(_Hiding):
    def __init__(self, share: float, model: Model, size: int, seed: int) -> None:
        super().__init__(share, seed)
        self.side, self.across = min(size, _SIDE), min(_PATCHES, size // 2)
        width = model.backbone.feature_dim
        self.decoder = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3 * self.side**2))

    def forward(self, round_: Round) -> Tensor:
        x = round_.batches[Stream.UNLABELED].inputs
        places = self.drawn((len(x), self.across**2), round_, "patches").argsort(1).argsort(1)
        hidden = (places < max(1, round(self.share * self.across**2))).to(x.dtype).view(-1, 1, self.across, self.across)
        features = round_.model.backbone(x * (1 - F.interpolate(hidden, x.shape[-2:])))
        wanted = F.adaptive_avg_pool2d(x, self.side).float()
        missing = F.interpolate(hidden, (self.side, self.side)).expand_as(wanted).float()
        error = (self.decoder(features.float()).view_as(wanted) - wanted).square()
        return (missing * error).sum() / missing.sum()


class _Tokens(_Hiding):
    def __init__(self, share: float, model: Model, text: Text, seed: int) -> None:
        super().__init__(share, seed)
        width, table = _entered(model, text)
        self.table = [table]  # a list: its weights are the backbone's
        size, depth = table.weight.shape
        self.layer = nn.Sequential(nn.Linear(width, depth), nn.GELU(), nn.LayerNorm(depth))
        self.bias = nn.Parameter(torch.zeros(size))
        self.stands_for_hidden, self.special = text.stands_for_hidden, torch.tensor(text.special, dtype=torch.int64)

    def forward(self, round_: Round) -> Tensor:
        tokens = round_.batches[Stream.UNLABELED].inputs
        able = (tokens != PAD) & ~torch.isin(tokens, self.special.to(tokens.device))
        hidden = able & (self.drawn(tuple(tokens.shape), round_, "tokens") < self.share)
        how = self.drawn(tuple(tokens.shape), round_, "how")
        others = (self.drawn(tuple(tokens.shape), round_, "others") * len(self.bias)).long()
        given = torch.where(hidden & (how < 0.8), self.stands_for_hidden, tokens)
        given = torch.where(hidden & (how >= 0.9), others, given)
        with unpooled(round_.model.backbone):
            states = round_.model.backbone(given)[hidden]
        scores = F.linear(self.layer(states.float()), self.table[0].weight, self.bias)
        return F.cross_entropy(scores, tokens[hidden], reduction="sum") / max(1, len(states))


def _entered(model: Model, text: Text) -> tuple[int, nn.Embedding]:
    """Numbers in the state of a token, and the embeddings of tokens: those that a text meets first."""
    tokens = text.sample(1).to(next(model.backbone.parameters()).device)
    with torch.no_grad(), unpooled(model.backbone):
        states = model.backbone(tokens)
    return states.shape[-1], entered(model.backbone, tokens)
