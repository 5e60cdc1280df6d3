"""The linear Monge map."""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.linalg import solve_triangular
from torch import nn

from regraft.alignments._base import Aligned, Alignment
from regraft.alignments._moments import covariance, power
from regraft.core.config import settings
from regraft.heads._layers import Affine


@settings
class LinearMonge(Alignment):
    """The optimal transport between normal distributions with the domains' moments: an affine map of the source.

    x to A (x - mean of source) + mean of target, A = C_s^(-1/2) (C_s^(1/2) C_t C_s^(1/2))^(1/2) C_s^(-1/2). Any L with
    L L' = C_s gives the same A = L'^(-1) (L' C_t L)^(1/2) L^(-1), as only one positive matrix has A C_s A = C_t; here
    L is the Cholesky factor.
    Reference: Peyré and Cuturi, Computational optimal transport, 2019, remark 2.31, eqs. 2.40 and 2.41; as domain
    adaptation: Flamary, Lounici and Ferrari, Concentration bounds for linear Monge mapping estimation, 2019.
    """

    shrinkage: Annotated[float, Field(gt=0)] = 1e-3
    """What is added to each variance, as a share of the mean variance of its domain."""

    def align(self, source: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> Aligned:
        """See `Alignment.align`."""
        both = np.stack([covariance(x, 0.0) for x in (source, target)])
        level = self.shrinkage * np.trace(both, axis1=1, axis2=2) / both.shape[1]
        ours, theirs = both + np.where(level > 0, level, 1.0)[:, None, None] * np.eye(both.shape[1])
        lower = np.linalg.cholesky(ours)
        inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
        weight = inverse.T @ power(lower.T @ theirs @ lower, 0.5) @ inverse
        return Aligned(Affine({"weight": weight, "bias": target.mean(0) - source.mean(0) @ weight}), nn.Identity())
