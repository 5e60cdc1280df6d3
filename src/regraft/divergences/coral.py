"""Difference of the second moments."""

import torch
from torch import Tensor

from regraft.core.config import settings
from regraft.divergences._base import Divergence


@settings
class Coral(Divergence):
    """Squared Frobenius distance of the two covariance matrices over 4 D^2; in [0, inf), blind to shifted means.

    The covariance of a single example counts as zero, so the last batch of an epoch may have any size.

    Reference: Sun & Saenko, Deep CORAL: Correlation Alignment for Deep Domain Adaptation, ECCV Workshops 2016,
    equations 1 to 3.
    """

    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance between ``a`` (N, D) and ``b`` (M, D), a scalar."""
        a, b = _root(a), _root(b)
        dim = a.shape[1]
        if len(a) + len(b) >= dim:
            total = (a.T @ a - b.T @ b).square().sum()
        else:
            # The same norm without a D x D matrix: |A'A - B'B|^2 = |AA'|^2 - 2 |AB'|^2 + |BB'|^2.
            signs = torch.cat([a.new_ones(len(a)), -b.new_ones(len(b))])
            rows = torch.cat([a, b])
            total = (signs @ (rows @ rows.T).square() @ signs).clamp(min=0)  # rounding must not make it negative
        return total / (4 * dim**2)


def _root(x: Tensor) -> Tensor:
    """The matrix R (N, D) with R'R the covariance of ``x``."""
    return (x - x.mean(0)) / max(len(x) - 1, 1) ** 0.5
