"""What terms that compare the source with the unlabelled target have in common."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from regraft.core.batch import Stream
from regraft.core.errors import CandidateError
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Term

BOTH = frozenset({Stream.SOURCE, Stream.UNLABELED})
"""The streams that they read."""


def alike(model: Model, problem: Problem, named: bool = True) -> bool:
    """Whether the source's labels are those that the model's head predicts; numbers have to be ``named`` alike."""
    assert problem.source is not None
    source, target = problem.source.train.examples, problem.target.train.examples
    same = source.label == target.label or not (named and source.numeric and problem.labelled)
    return source.classes == model.classes and source.labelling is problem.task.labels and same


def require_classes(problem: Problem) -> None:
    """Refuse what does not predict classes.

    Raises:
        CandidateError: this does not; says what it predicts.
    """
    if problem.task.labels is not Labels.CLASSES:
        raise CandidateError(f"this adapts classes, and the labels are {problem.task.labels.value}")


class ClassWise(Term):
    """A term that compares the domains class by class, so that both must name the same ones."""

    streams: ClassVar[frozenset[Stream]] = BOTH

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the model does not predict classes, or the source names other ones.
        """
        require_classes(problem)
        if problem.source is not None and not alike(model, problem):
            raise CandidateError("this compares the domains class by class, and the source names other classes")
        return self.bound(model, problem)

    @abstractmethod
    def bound(self, model: Model, problem: Problem) -> Bound:
        """The same for domains that do."""


def second_head(model: Model, problem: Problem) -> nn.Linear:
    """A layer beside the model's head that starts from it, where it is one, with random numbers added.

    Two that start alike would stay alike; one that starts from nothing would mislead the features until it has learned.
    """
    other = nn.Linear(model.backbone.feature_dim, problem.task.outputs)
    if isinstance(model.head, nn.Linear):
        with torch.no_grad():
            other.weight.add_(model.head.weight.cpu())
            other.bias.add_(model.head.bias.cpu())
    return other


def discriminator(inputs: int, hidden: int) -> nn.Sequential:
    """Two hidden layers and one score: rows (B, ``inputs``) to (B, 1)."""
    layers = (nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))
    return nn.Sequential(*layers)


def judged(discriminator: nn.Module, seen: Sequence[Tensor]) -> Sequence[Tensor]:
    """The scores (B,) of what is seen (B, D) of each domain: in one call of all rows, not one a domain."""
    return discriminator(torch.cat(list(seen))).float().squeeze(1).split([len(rows) for rows in seen])


def warming(progress: float) -> float:
    """The weight in [0, 1) of adversaries over a phase; Ganin et al., JMLR 2016, section 5.2.2, with gamma 10."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def reverse(x: Tensor, factor: float = 1.0) -> Tensor:
    """``x`` itself, whose gradient is multiplied by minus ``factor`` on its way back.

    What comes after lowers the objective, what comes before raises it, in the same step.
    Reference: Ganin et al., Domain-adversarial training of neural networks, JMLR 2016, eq. 15 and 16.
    """
    return _Reverse.apply(x, factor)


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.factor * gradients[0], None
