"""A term whose weight is learned."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from regraft.core.batch import Stream
from regraft.core.config import Choice, settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms.supervised import Supervised


@settings
class LearnedWeight(Term):
    """A term L times exp(-s), plus s / 2, where s, the logarithm of its variance, is learned beside the weights.

    Several such terms balance each other: each is weighed by one over its size. That L of numbers is halved in the
    paper and L of classes is not changes s by a constant, and no weight.
    Reference: Kendall, Gal and Cipolla, Multi-task learning using uncertainty to weigh losses for scene geometry and
    semantics, CVPR 2018, eq. 7 and 10.
    """

    term: Annotated[Term, Choice("terms")] = Supervised()
    """What is weighed."""
    speed: Annotated[float, Field(gt=0)] = 10.0
    """Factor on the learning rate of s, which has a longer way to go than weights have."""

    @property
    def needs(self) -> frozenset[Stream]:
        """See `Term.needs`."""
        return self.term.needs

    @property
    def watches(self) -> frozenset[Stream]:
        """See `Term.watches`."""
        return self.term.watches

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _LearnedWeight(self.speed, self.term.bind(model, problem))


class _LearnedWeight(Bound):
    def __init__(self, speed: float, inner: Bound) -> None:
        super().__init__()
        self.speed, self.inner, self.scaled = speed, inner, nn.Parameter(torch.zeros(()))

    def forward(self, round_: Round) -> Tensor:
        s = self.speed * self.scaled  # steps of adaptive optimisers are as long whatever the gradient: this scales them
        return torch.exp(-s) * self.inner(round_) + s / 2
