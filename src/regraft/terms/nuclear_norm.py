"""Sure and diverse predictions by the norm of their matrix."""

from typing import ClassVar

import torch
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import require_classes


@settings
class NuclearNorm(Term):
    """Minus the sum of singular values of a batch's predicted probabilities, over its size: the lower, the surer.

    It is of a whole batch, so it is another one when a batch is split.
    Reference: Cui et al., Towards discriminability and diversity: batch nuclear-norm maximization under label
    insufficient situations, CVPR 2020, section 3 (batch nuclear-norm maximization).
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.UNLABELED})

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the model does not predict classes.
        """
        require_classes(problem)
        return _NuclearNorm()


class _NuclearNorm(Bound):
    def forward(self, round_: Round) -> Tensor:
        probabilities = round_.view(Stream.UNLABELED).outputs.float().softmax(1)
        return -torch.linalg.svdvals(probabilities).sum() / len(probabilities)
