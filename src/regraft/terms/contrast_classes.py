"""Contrast examples of a class with those of all others, in the features and against the head."""

from copy import deepcopy
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
from regraft.terms._following import Stepping, follow


@settings
class ContrastClasses(Term):
    """Bi-tuning: contrastive cross-entropy of the head's class vectors, and a contrastive loss of projected features.

    Both set the keys of an example's own class against all keys: the example's own and those of a queue, which holds
    the latest of each class. Keys come from a copy of the network that slowly follows it, and are normalised, as class
    vectors are. The copy sees the view of an example that the network sees; the paper takes a second one. A step sees
    the keys of those before it. Needs a linear head.
    Reference: Zhong et al., Bi-tuning of pre-trained representations, arXiv 2020, eq. 3 and 5.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Of both losses (the paper's tau)."""
    queue: Annotated[int, Field(ge=1)] = 16
    """Keys of each class in the queue."""
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.999
    """How much of the copy's weights stays after a step."""
    width: Annotated[int, Field(ge=1)] = 128
    """Numbers in the projected features."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: labels are no classes, or the head is no linear layer.
        """
        if problem.task.labels is not Labels.CLASSES or not isinstance(model.head, nn.Linear):
            raise CandidateError("contrasting classes needs labels that are classes, and a linear head")
        return _ContrastClasses(self, model, problem.task.outputs)


class _ContrastClasses(Stepping):
    queue: Tensor  # of each class, the latest first, as it was before this step
    coming: Tensor  # with the keys of this step

    def __init__(self, options: ContrastClasses, model: Model, classes: int) -> None:
        super().__init__()
        self.options, width = options, model.backbone.feature_dim
        self.projector = nn.Linear(width, options.width)
        self.slow = deepcopy(nn.ModuleList([model.backbone, self.projector])).requires_grad_(False)
        for name in ("queue", "coming"):  # a key of zeros is none
            self.register_buffer(name, torch.zeros(classes, options.queue, width + 1 + options.width))

    def forward(self, round_: Round) -> Tensor:
        view, head = round_.view(Stream.TARGET), round_.model.head
        assert isinstance(head, nn.Linear)
        assert view.targets is not None
        if self.stepped(round_):
            follow(self.slow, nn.ModuleList([round_.model.backbone, self.projector]), self.options.momentum)
            self.queue.copy_(self.coming)
        there = self.queue.flatten(0, 1).any(1)
        keys = self.queue.flatten(0, 1)[there]
        of = torch.arange(len(self.queue), device=keys.device).repeat_interleave(self.options.queue)[there]
        same = (of == view.targets.unsqueeze(1)).float()
        vectors = F.normalize(torch.cat([head.weight, head.bias.unsqueeze(1)], 1), eps=1e-6)[view.targets]
        now, projected = _pair(view.features, self.projector)
        batch, width = round_.batches[Stream.TARGET], now.shape[1]
        with torch.no_grad():
            own = torch.cat(_pair(self.slow[0](batch.inputs, batch.start), self.slow[1]), 1)
        losses = [
            self._contrast((vectors * now).sum(1), vectors @ keys[:, :width].T, same),
            self._contrast((projected * own[:, width:]).sum(1), projected @ keys[:, width:].T, same),
        ]
        self._enqueue(own, view.targets)
        return torch.stack(losses).sum()

    def _contrast(self, own: Tensor, others: Tensor, same: Tensor) -> Tensor:
        """Mean over positives of minus the log-share that each has among all keys; the own key is a positive."""
        logs = (torch.cat([own.unsqueeze(1), others], 1) / self.options.temperature).log_softmax(1)
        positive = F.pad(same, (1, 0), value=1.0)
        return -((logs * positive).sum(1) / positive.sum(1)).mean()

    def _enqueue(self, keys: Tensor, targets: Tensor) -> None:
        for c in targets.unique():
            self.coming[c] = torch.cat([keys[targets == c], self.coming[c]])[: self.options.queue]


def _pair(features: Tensor, projector: nn.Module) -> tuple[Tensor, Tensor]:
    """Features (B, D) with a one for the bias, and what the projector makes of them, normalised."""
    found = F.normalize(F.pad(features.float(), (0, 1), value=1.0))
    return found, F.normalize(projector(found[:, :-1]).float())
