"""The source's own classes of target examples, by how the classes of both relate."""

from copy import deepcopy
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._label_relations import direct, probabilities, reverse, source_of


@settings
class SourceLabels(Term):
    """Cross-entropy of the source's head, on the student's features, with p(source class | target class).

    The relation is learned once from what the source says, calibrated, of the labelled target. The source's head goes
    on learning and is dropped after the phase.
    Reference: You et al., Co-tuning for transfer learning, NeurIPS 2020, section 3.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    relation: Literal["direct", "reverse"] = "direct"
    """``direct``: the mean answer for each class. ``reverse``: Bayes' rule on a logistic regression from answers."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the source has no head of classes.
        """
        head, given = deepcopy(source_of(problem).head).requires_grad_(True), probabilities(problem)
        learn = direct if self.relation == "direct" else reverse
        relation = learn(given, problem.target.train.labels, len(problem.target.train.classes))
        return _SourceLabels(head, torch.from_numpy(relation).float())


class _SourceLabels(Bound):
    relation: Tensor

    def __init__(self, head: nn.Module, relation: Tensor) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("relation", relation)

    def forward(self, round_: Round) -> Tensor:
        view = round_.view(Stream.TARGET)
        return F.cross_entropy(self.head(view.features).float(), self.relation[view.targets])
