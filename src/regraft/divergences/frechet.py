"""Distance of two normal distributions."""

import torch
from torch import Tensor

from regraft.core.config import settings
from regraft.divergences._base import Divergence


@settings
class Frechet(Divergence):
    """Squared Fréchet distance |m - n|^2 + tr(A + B - 2 (A B)^(1/2)) of means m, n and covariances A, B; in [0, inf).

    The squared 2-Wasserstein distance where both are normal. Estimated from few examples it is too large, the more so
    the fewer. The covariance of a single example counts as zero.

    Reference: Dowson and Landau, The Fréchet distance between multivariate normal distributions, JMVA 1982, eq. 4.
    """

    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance between ``a`` (N, D) and ``b`` (M, D), a scalar; computed in double precision."""
        first, second = _root(a.double()), _root(b.double())
        # tr (A B)^(1/2) is the sum of the singular values of R S' for any roots, A = R'R and B = S'S.
        overlap = torch.linalg.svdvals(_short(second) @ _short(first).T).sum()
        total = first.square().sum() + second.square().sum() - 2 * overlap
        apart = (a.double().mean(0) - b.double().mean(0)).square().sum()
        return (apart + total.clamp(min=0)).to(a.dtype)  # rounding must not make it negative


def _root(x: Tensor) -> Tensor:
    """The matrix R (N, D) with R'R the covariance of ``x``."""
    return (x - x.mean(0)) / max(len(x) - 1, 1) ** 0.5


def _short(root: Tensor) -> Tensor:
    """A root of at most D rows. The rotation is a constant: singular values, and their gradients, do not see it."""
    return root if len(root) <= root.shape[1] else torch.linalg.qr(root.detach()).Q.T @ root
