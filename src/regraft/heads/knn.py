"""Nearest neighbours."""

from typing import Annotated

import numpy as np
from pydantic import Field
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import ClassicalHead
from regraft.heads._layers import Neighbours, Odds
from regraft.heads._standard import rarity

_SMOOTHED = 0.1
"""What is added to the shares of classes that have examples, so that no vote rules one out."""


@settings
class Knn(ClassicalHead):
    """The shares of the classes among the nearest neighbours, each counting as its weight.

    Of label sets, a label's odds among them, weighted by its rarity. At most as many neighbours as the rarest class has
    examples, so that one example a class is enough.
    Reference: Cover and Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory 1967.
    """

    neighbours: Annotated[int, Field(ge=1)] = 5
    """How many neighbours vote, at most."""

    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """See `ClassicalHead.learn`."""
        counts = np.ones(len(features)) if weights is None else np.asarray(weights, dtype=np.float64)
        if labels.ndim == 2:
            return nn.Sequential(self._votes(features, labels, counts, len(features)), _odds(labels))
        present = np.bincount(labels, minlength=outputs)
        votes = self._votes(features, np.eye(outputs)[labels], counts, int(present[present > 0].min()))
        above = np.where(present > 0, _SMOOTHED / (present > 0).sum(), np.exp(-30.0))
        one = np.ones(outputs)
        return nn.Sequential(votes, Odds({"scale": one, "above": above, "less": 0 * one, "below": one}))

    def _votes(self, points: np.ndarray, values: np.ndarray, counts: np.ndarray, most: int) -> Neighbours:
        held = {"points": points, "values": values.astype(np.float64), "counts": counts}
        return Neighbours(held, count=min(self.neighbours, most), shift=False)


def _odds(sets: np.ndarray) -> Odds:
    """From the share of neighbours that have a label to its log odds; its smoothed share if all or none have it."""
    held, few = sets.sum(0), 0.5 / (len(sets) + 0.5)
    never, always = held == 0, held == len(sets)
    return Odds(
        {
            "scale": np.where(never | always, 0.0, rarity(sets)),
            "above": np.select([never, always], [few, 1.0], _SMOOTHED),
            "less": np.where(never | always, 0.0, 1.0),
            "below": np.select([never, always], [1.0, few], _SMOOTHED),
        }
    )
