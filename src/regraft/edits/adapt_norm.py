"""Statistics of batch normalisation, estimated anew on the target."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.edits._base import Edit
from regraft.model import Model, Problem

_BATCH = 128


@settings
class AdaptNorm(Edit):
    """AdaBN: mean and variance of every batch-normalised channel over all unlabelled target examples; no label is read.

    Up to 128 examples go through in one pass, each layer normalised by what it saw itself, which is exact. More go
    batch by batch, and statistics are pooled as they come (the paper's online algorithm), in an order that depends on
    the examples only.
    Reference: Li et al., Revisiting batch normalization for practical domain adaptation, arXiv 2016, algorithm 1; with
    ``prior``: Schneider et al., Improving robustness against common corruptions by covariate shift adaptation,
    NeurIPS 2020, eq. 2.
    """

    prior: Annotated[float, Field(ge=0)] = 0.0
    """How many examples the source's statistics count for; the paper's 0 forgets them."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`.

        Raises:
            CandidateError: the network has no batch normalisation with stored statistics.
            ValueError: there are no unlabelled target examples.
        """
        data, preprocess, runtime = problem.target.unlabeled, problem.backbone.preprocess, problem.memory.runtime
        if data is None:
            raise ValueError("this problem has no unlabeled examples")
        found = [_Estimate(norm, self.prior) for norm in model.batch_norms if norm.track_running_stats]
        if not found:
            raise CandidateError("this network has no batch normalisation, so there is nothing that could be adapted")
        was, order = model.training, data.by_content()
        runtime.place(model.eval())
        for part in np.array_split(order, -(-len(data) // _BATCH)):
            with torch.no_grad(), runtime.limited(), runtime.compute(model):
                model(runtime.send(preprocess.tensor(data.arrays[data.rows[part]])))
        for estimate in found:
            estimate.remove()
        return model.train(was)


class _Estimate:
    """The statistics of one layer's inputs, pooled over the batches that went through."""

    def __init__(self, norm: _BatchNorm, prior: float) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        self.stored = norm.running_mean, norm.running_var
        self.source = [values.clone().double() for values in self.stored]
        self.prior, self.seen = prior, 0
        self.pooled = [torch.zeros_like(values) for values in self.source]
        self._handle = norm.register_forward_pre_hook(self._pool)
        self.remove = self._handle.remove

    def _pool(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Add a batch and store the statistics so far, by which the layer then normalises it."""
        x, n = inputs[0].double(), len(inputs[0])
        axes = [axis for axis in range(x.dim()) if axis != 1]
        new = [x.mean(axes), x.var(axes, unbiased=False)]
        self.pooled, self.seen = _together(self.pooled, self.seen, new, n), self.seen + n
        weight = self.prior / (self.prior + self.seen)
        for stored, source, target in zip(self.stored, self.source, self.pooled, strict=True):
            stored.copy_(weight * source.to(target.device) + (1 - weight) * target)


def _together(one: list[Tensor], count: int, other: list[Tensor], more: int) -> list[Tensor]:
    """Mean and variance of two samples of ``count`` and ``more`` examples together."""
    share = more / (count + more)
    gap = other[0] - one[0].to(other[0].device)
    mean = one[0].to(gap.device) + share * gap
    variance = (1 - share) * one[1].to(gap.device) + share * other[1] + share * (1 - share) * gap.square()
    return [mean, variance]
