"""Correlation alignment."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.covariance import ledoit_wolf
from torch import nn

from regraft.alignments._base import Aligned, Alignment
from regraft.alignments._moments import covariance, power
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.heads._layers import Affine


@settings
class Coral(Alignment):
    """Whiten the source and colour it with the covariance of the target: the second moments become alike.

    The means become the same; the paper centres both domains beforehand. Covariances get ``shrinkage`` times the
    identity: the paper's one is for features of unit variance. Of much smaller ones, such as embeddings of length one,
    it leaves little but the means to align: scale features first, as the method ``coral`` does, or give None.
    Reference: Sun, Feng and Saenko, Return of frustratingly easy domain adaptation, AAAI 2016, algorithm 1.
    """

    shrinkage: Annotated[float, Field(gt=0)] | None = 1.0
    """What is added to each variance before whitening and colouring; None: correlations shrink towards zero instead,
    in each domain by the rule of Ledoit and Wolf (J. Multivariate Analysis 2004), whatever the units of features."""

    def align(self, source: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> Aligned:
        """See `Alignment.align`."""
        ours, theirs = (
            _shrunk(x) if self.shrinkage is None else covariance(x, self.shrinkage) for x in (source, target)
        )
        weight = power(ours, -0.5) @ power(theirs, 0.5)
        return Aligned(Affine({"weight": weight, "bias": target.mean(0) - source.mean(0) @ weight}), nn.Identity())


def _shrunk(x: np.ndarray) -> np.ndarray:
    """Covariance (D, D) of rows (N, D) whose correlations are shrunk.

    Raises:
        CandidateError: no feature varies.
    """
    deviation = x.std(0)
    if not deviation.any():
        raise CandidateError("the features of a domain do not vary, so coral needs a shrinkage to be given")
    deviation = np.where(deviation > 0, deviation, 1.0)
    return np.asarray(ledoit_wolf(x / deviation)[0] * np.outer(deviation, deviation))
