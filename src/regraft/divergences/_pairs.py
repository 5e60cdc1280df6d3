"""Divergences that are means over pairs of examples: inside either sample, minus across."""

from abc import abstractmethod

import torch
from torch import Tensor

from regraft.divergences._base import Divergence
from regraft.heads._kernels import places

MOST = 4000
"""Examples of each sample of which all pairs are taken; of more, as many, spread over all: see `places`."""


class Pairs(Divergence):
    """A squared distance between the means of two samples in the space of a kernel."""

    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The squared distance between ``a`` (N, D) and ``b`` (M, D), a scalar."""
        a, b = (x if len(x) <= MOST else x[places(x.detach().double().cpu().numpy(), MOST)] for x in (a, b))
        return self.between(self.kernel(torch.cat([a, b])), len(a))

    @abstractmethod
    def kernel(self, rows: Tensor) -> Tensor:
        """Similarities (N, N) of ``rows`` (N, D)."""

    def between(self, kernel: Tensor, n: int) -> Tensor:
        """The squared distance of the first ``n`` rows and the others, from their similarities (N, N)."""
        return self.within(kernel[:n, :n]) + self.within(kernel[n:, n:]) - 2 * kernel[:n, n:].mean()

    def within(self, kernel: Tensor) -> Tensor:
        """Mean similarity inside one sample, from its kernel matrix (N, N)."""
        return kernel.mean()
