"""Divergences that are means over pairs of examples: inside either sample, minus across."""

from abc import abstractmethod

import torch
from torch import Tensor

from regraft.divergences._base import Divergence


class Pairs(Divergence):
    """A squared distance between the means of two samples in the space of a kernel."""

    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The squared distance between ``a`` (N, D) and ``b`` (M, D), a scalar."""
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
