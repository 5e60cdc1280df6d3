"""Difference of the means in a kernel's feature space."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.config import settings
from regraft.divergences._pairs import Pairs

_Positive = Annotated[float, Field(gt=0)]


@settings
class Mmd(Pairs):
    """Squared maximum mean discrepancy with a sum of Gaussian kernels exp(-|x - y|^2 / (scale * bandwidth)).

    In [0, 2 * number of scales] when biased; the unbiased estimate may be negative.

    Reference: Gretton et al., A Kernel Two-Sample Test, JMLR 2012, equations 3 (unbiased) and 5 (biased); the sum of
    kernels: Long et al., Learning Transferable Features with Deep Adaptation Networks, ICML 2015, section 3.1.
    """

    bandwidth: _Positive | None = None
    """In units of squared distance; by default the pooled sample's median squared distance, a constant to gradients."""
    scales: Annotated[tuple[_Positive, ...], Field(min_length=1)] = (0.25, 0.5, 1.0, 2.0, 4.0)
    """One kernel for each, of this multiple of the bandwidth; the kernels are added."""
    unbiased: bool = False
    """Leave each example's similarity to itself out of the means (a sample of one example keeps it)."""

    def kernel(self, rows: Tensor) -> Tensor:
        """See `Pairs.kernel`."""
        squared = _squared_distances(rows)
        width = _median(squared.detach()) if self.bandwidth is None else squared.new_tensor(self.bandwidth)
        return torch.stack([torch.exp(squared / (-scale * width)) for scale in self.scales]).sum(0)

    def within(self, kernel: Tensor) -> Tensor:
        """See `Pairs.within`."""
        n = len(kernel)
        if not self.unbiased or n == 1:
            return kernel.mean()
        return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))


def _squared_distances(x: Tensor) -> Tensor:
    """Squared Euclidean distances (N, N) between the rows of ``x`` (N, D)."""
    x = x - x.mean(0).detach()  # distances do not change, but large common offsets would cost precision
    norms = x.square().sum(1)
    return (norms[:, None] + norms - 2 * x @ x.T).clamp(min=0)


def _median(squared: Tensor) -> Tensor:
    """The median off-diagonal entry of ``squared`` (N, N); their mean, then 1, where at least half are zero."""
    n = len(squared)
    # Leaving the diagonal out: dropping the first of n * n entries and folding to rows of n + 1 puts it last.
    pairs = squared.flatten()[1:].view(n - 1, n + 1)[:, :-1]
    middle, mean = pairs.median(), pairs.mean()
    fallback = torch.where(mean > 0, mean, torch.ones_like(mean))
    return torch.where(middle > 0, middle, fallback)
