"""Contrast examples of a class with those of all others, in the features and against the head."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term


@settings
class ContrastClasses(Term):
    """Bi-tuning: contrastive cross-entropy of the head's class vectors, and a contrastive loss of projected features.

    Both set the keys of an example's own class against all keys: the example's own and those of a queue, which holds
    the latest features of each class. Features and class vectors are normalised. Two things are simpler than in the
    paper: keys come from the network itself a few steps earlier, not from a slowly moving copy, and an example's own
    key is what it is now, not a second view of it. Needs a linear head. A step sees the keys of those before it.
    Reference: Zhong et al., Bi-tuning of pre-trained representations, arXiv 2020, eq. 3 and 5.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Of both losses (the paper's tau)."""
    keys: Annotated[int, Field(ge=1)] = 16
    """Keys of each class in the queue."""
    width: Annotated[int, Field(ge=1)] = 128
    """Numbers in the projected features."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: labels are no classes, or the head is no linear layer.
        """
        if problem.task.labels is not Labels.CLASSES or not isinstance(model.head, nn.Linear):
            raise CandidateError("contrasting classes needs labels that are classes, and a linear head")
        return _ContrastClasses(self, model.backbone.feature_dim, problem.task.outputs)


class _ContrastClasses(Bound):
    def __init__(self, options: ContrastClasses, width: int, classes: int) -> None:
        super().__init__()
        self.options = options
        self.projector = nn.Linear(width, options.width)
        self.queue: Tensor  # of each class, the latest first, as it was before this step
        self.coming: Tensor  # with the keys of this step
        self.at: Tensor
        for name in ("queue", "coming"):  # a key of zeros is none
            self.register_buffer(name, torch.zeros(classes, options.keys, width + 1))
        self.register_buffer("at", torch.tensor(-1.0, dtype=torch.float64))

    def forward(self, round_: Round) -> Tensor:
        view, head = round_.view(Stream.TARGET), round_.model.head
        assert isinstance(head, nn.Linear)
        assert view.targets is not None
        if self.at != round_.progress:
            self.queue.copy_(self.coming)
            self.at.fill_(round_.progress)
        now = F.normalize(F.pad(view.features.float(), (0, 1), value=1.0))  # the last is the bias's
        there = self.queue.flatten(0, 1).any(1)
        keys = self.queue.flatten(0, 1)[there]
        of = torch.arange(len(self.queue), device=now.device).repeat_interleave(self.options.keys)[there]
        same = (of == view.targets.unsqueeze(1)).float()
        vectors = F.normalize(torch.cat([head.weight, head.bias.unsqueeze(1)], 1), eps=1e-6)[view.targets]
        projected = F.normalize(self.projector(now[:, :-1]))
        own = F.normalize(self.projector(keys[:, :-1])).detach()
        losses = [
            self._contrast((vectors * now).sum(1), vectors @ keys.T, same),
            self._contrast((projected * projected.detach()).sum(1), projected @ own.T, same),
        ]
        self._enqueue(now.detach(), view.targets)
        return torch.stack(losses).sum()

    def _contrast(self, own: Tensor, others: Tensor, same: Tensor) -> Tensor:
        """Mean over positives of minus the log-share that each has among all keys; the own key is a positive."""
        logs = (torch.cat([own.unsqueeze(1), others], 1) / self.options.temperature).log_softmax(1)
        positive = F.pad(same, (1, 0), value=1.0)
        return -((logs * positive).sum(1) / positive.sum(1)).mean()

    def _enqueue(self, keys: Tensor, targets: Tensor) -> None:
        for c in targets.unique():
            self.coming[c] = torch.cat([keys[targets == c], self.coming[c]])[: self.options.keys]
