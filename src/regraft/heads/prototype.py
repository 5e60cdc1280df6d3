"""Nearest class mean."""

from typing import Annotated

import numpy as np
from pydantic import Field
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import ClassicalHead
from regraft.heads._standard import layer, moments, spread


@settings
class Prototype(ClassicalHead):
    """The class whose mean is nearest; logits are squared distances, which makes it a linear layer.

    Of label sets, the nearer of the means with and without a label; how rare a label is does not count in either case.
    Reference: Snell, Swersky and Zemel, Prototypical networks for few-shot learning, NeurIPS 2017, eqs. 1, 2 and 8.
    """

    sharpness: Annotated[float, Field(gt=0)] = 10.0
    """Factor from squared distances, where examples lie at distance one from their mean, to logits."""

    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """See `ClassicalHead.learn`."""
        mean, deviation = moments(features)
        x = (features - mean) / deviation
        counts = np.ones(len(x)) if weights is None else weights
        if labels.ndim == 2:
            return layer(*self._sets(x, labels, counts), mean, deviation)
        present = np.unique(labels)
        centres = np.stack([_mean(x, counts * (labels == c)) for c in present])
        planes = 2 * self.sharpness * centres, -self.sharpness * (centres**2).sum(1)
        return layer(*spread(*planes, present, outputs), mean, deviation)

    def _sets(self, x: np.ndarray, sets: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (Z, D) and offsets (Z,); where nothing tells a label apart the log odds of its smoothed share."""
        held = sets.sum(0)
        told = (held > 0) & (held < len(sets))
        offsets = np.log((held + 0.5) / (len(sets) - held + 0.5))
        planes = np.zeros((sets.shape[1], x.shape[1]))
        for z in np.flatnonzero(told):
            one, none = (_mean(x, counts * (sets[:, z] == is_there)) for is_there in (1, 0))
            planes[z] = 2 * self.sharpness * (one - none)
            offsets[z] = self.sharpness * (none @ none - one @ one)
        return planes, offsets


def _mean(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    total = counts.sum()
    return counts @ x / total if total > 0 else x.mean(0)
