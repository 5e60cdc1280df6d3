"""How much the classes that the model predicts are confused with one another."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import require_classes
from regraft.terms._own import entropies


@settings
class ClassConfusion(Term):
    """Minimum class confusion: the mass beside the diagonal of the confusion matrix of a batch's own predictions.

    Between 0 and 1. It is of a whole batch, so it is another one when a batch is split. The weights of examples are
    constants to the gradient, as in the authors' code.
    Reference: Jin et al., Minimum class confusion for versatile domain adaptation, ECCV 2020, section 3.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.UNLABELED})
    temperature: Annotated[float, Field(gt=0)] = 2.5
    """What outputs are divided by."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the model does not predict classes.
        """
        require_classes(problem)
        return _ClassConfusion(self.temperature)


def confusion(outputs: Tensor, temperature: float) -> Tensor:
    """The loss, a scalar, of outputs (B, K)."""
    outputs = outputs.float() / temperature
    weights = 1 + torch.exp(-entropies(outputs.detach(), Labels.CLASSES))
    probabilities = outputs.softmax(1)
    matrix = probabilities.T @ (probabilities * (weights / weights.mean()).unsqueeze(1))
    shares = matrix / matrix.sum(1, keepdim=True).clamp_min(1e-12)
    return (shares.sum() - shares.trace()) / len(shares)


class _ClassConfusion(Bound):
    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, round_: Round) -> Tensor:
        return confusion(round_.view(Stream.UNLABELED).outputs, self.temperature)
