"""Ridge regression."""

from typing import ClassVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import ClassicalHead
from regraft.heads._ridge import ridge
from regraft.heads._standard import layer, moments


@settings
class Ridge(ClassicalHead):
    """Linear regression with an L2 penalty, chosen by leaving each example out in turn. For numbers, not classes.

    Reference: Hoerl and Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 1970.
    """

    numbers: ClassVar[bool] = True

    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """Fit on features (N, D) and numbers (N,); a layer with one output."""
        counts = np.ones(len(labels)) if weights is None else weights * (len(weights) / weights.sum())
        deviation, mean, level = moments(features)[1], counts @ features / len(labels), counts @ labels / len(labels)
        # Waking threads costs more than so little arithmetic; where squares vanish, `layer` tells.
        with threadpool_limits(1), np.errstate(all="ignore"):
            weight, _ = ridge((features - mean) / deviation, (labels - level)[:, None], counts)
        return layer(weight.T, np.array([level]), mean, deviation)
