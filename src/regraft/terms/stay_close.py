"""Distance from the weights that training started from."""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._source import fisher


@settings
class StayClose(Term):
    """A distance of the backbone from its start, plus half of ``fresh`` times the squared distance of the head from 0.

    With ``fisher`` the distance counts each weight by the Fisher information on what the source does: L2-SP-Fisher,
    and with ``fresh`` 0 elastic weight consolidation. Of the paper's proximal steps for ``l1`` and ``group`` nothing is
    left: the loop follows subgradients, so weights come close to their start but do not land on it.
    Reference: Li, Grandvalet and Davoine, Explicit inductive bias for transfer learning with convolutional networks,
    ICML 2018, eq. 2 to 6; Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, PNAS 2017, eq. 3.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset()
    distance: Literal["l2", "l1", "group"] = "l2"
    """``l2``: half the square; ``l1``: the sum of moduli; ``group``: the norm of each layer's or filter's change."""
    fisher: bool = False
    """Whether weights count by their Fisher information, of mean one over the backbone."""
    examples: Annotated[int, Field(ge=1)] = 64
    """Examples that the Fisher information is estimated on, at most: the source's, else the target's."""
    fresh: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the penalty on the head, which has no start to stay close to, relative to the backbone's."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _StayClose(model, self, fisher(model, problem, self.examples) if self.fisher else [])


class _StayClose(Bound):
    def __init__(self, model: Model, options: StayClose, importance: list[Tensor]) -> None:
        super().__init__()
        self.options = options
        learning = [p for p in model.backbone.parameters() if p.requires_grad]
        self.count = len(learning)
        for number, parameter in enumerate(learning):
            self.register_buffer(f"start_{number}", parameter.detach().clone())
        mean = sum(f.sum().item() for f in importance) / max(1, sum(f.numel() for f in importance))
        for number, weight in enumerate(importance):
            self.register_buffer(f"importance_{number}", weight / mean if mean else torch.ones_like(weight))

    def forward(self, round_: Round) -> Tensor:
        now = [p for p in round_.model.backbone.parameters() if p.requires_grad]
        kept = list(self.buffers())
        weights: list[Tensor | float] = [*kept[self.count :]] or [1.0] * len(now)
        moved = [self._far(p - s, w) for p, s, w in zip(now, kept[: self.count], weights, strict=True)]
        head = [p.square().sum() for p in round_.model.head.parameters()]
        return torch.stack(moved).sum() + 0.5 * self.options.fresh * torch.stack(head).sum()

    def _far(self, change: Tensor, weight: Tensor | float) -> Tensor:
        if self.options.distance == "l2":
            return 0.5 * (weight * change.square()).sum()
        if self.options.distance == "l1":
            return (weight * change.abs()).sum()
        rows = change.flatten(1) if change.dim() > 1 else change.unsqueeze(0)
        scaled = rows * (weight.reshape(rows.shape).sqrt() if isinstance(weight, Tensor) else 1.0)
        return rows.shape[1] ** 0.5 * torch.linalg.vector_norm(scaled, dim=1).sum()
