"""Keep what the source's head says: learning without forgetting."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.backbones._base import Network
from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._source import frozen, source_head, source_labels


@settings
class KeepOutputs(Term):
    """How far the answers of the source's head on the labelled target have moved from those at the start.

    Kullback-Leibler divergence of the classes at ``temperature``, the paper's cross-entropy but for a constant; of
    label sets that of each label, summed; of numbers half the squared error. The source's head learns along, as in
    the paper, and is dropped after the phase. No label of the source's task is needed.
    Reference: Li and Hoiem, Learning without forgetting, TPAMI 2018, eq. 2 and 3.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Of the classes or labels (the paper's T)."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the source has no head that says anything.
        """
        head = source_head(problem)
        if head is None:
            raise CandidateError("this source has no head whose answers could be kept: it gives features only")
        return _KeepOutputs(self.temperature, model.backbone, head, source_labels(problem))


class _KeepOutputs(Bound):
    def __init__(self, temperature: float, backbone: Network, head: nn.Module, kind: Labels) -> None:
        super().__init__()
        self.temperature, self.kind = temperature, kind
        self.head = head
        self.start, self.start_head = frozen(backbone), frozen(head)

    def forward(self, round_: Round) -> Tensor:
        batch = round_.batches[Stream.TARGET]
        now = self.head(round_.view(Stream.TARGET).features).float()
        with torch.no_grad():
            then = self.start_head(self.start(batch.inputs, batch.start).float()).float()
        if self.kind is Labels.NUMBERS:
            return 0.5 * (now - then).square().sum(1).mean()
        now, then = now / self.temperature, then / self.temperature
        if self.kind is Labels.CLASSES:
            return F.kl_div(now.log_softmax(1), then.log_softmax(1), reduction="batchmean", log_target=True)
        ours, theirs = (torch.stack([F.logsigmoid(x), F.logsigmoid(-x)]) for x in (now, then))
        return F.kl_div(ours, theirs, reduction="sum", log_target=True) / len(now)
