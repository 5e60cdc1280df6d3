"""Optimal transport of the source to the target."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from sklearn.metrics.pairwise import euclidean_distances
from torch import nn

from regraft.alignments._base import Aligned, Alignment
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.core.extras import missing
from regraft.heads._kernels import landmarks, places
from regraft.heads._layers import Neighbours

_ITERATIONS, _ROUNDS, _FIRST, _FURTHER, _SMOOTHED = 200, 10, 50, 20, 1e-3
_MOST, _WIDER, _SHIFTED = {"plain": 1000, "entropic": 1000, "classes": 5000}, 5, 3


@settings
class OptimalTransport(Alignment):
    """Move each source example to the mean of the target examples that a transport plan sends it to.

    The plan has least cost, the squared distance in units of its median. Exact up to ``landmarks`` examples a domain;
    beyond them it is between that many of each. All source examples, new ones too, move as the ``neighbours`` that are
    nearest among those of the plan do on average. A plain plan takes five times as many target examples: of as many it
    sends each to one, of five times as many to a mean, as the entropy does by itself. Needs POT, the extra ``ot``.
    Reference: Courty, Flamary, Tuia and Rakotomamonjy, Optimal transport for domain adaptation, TPAMI 2017, eqs. 4, 9
    (entropy, after Cuturi 2013) and 14 (the map); the group penalty, of roots, and its rounds of majorisation: Courty,
    Flamary and Tuia, ECML PKDD 2014, section 3; new examples: Ferradans et al., SIAM J. Imaging Sciences 2014.
    """

    plan: Literal["plain", "entropic", "classes"] = "classes"
    """The plan: without a penalty; smooth, by its entropy; or also with a group penalty, so that each target example
    takes from source examples of one class."""
    entropy: Annotated[float, Field(gt=0)] = 0.05
    """Weight of the entropy."""
    groups: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the group penalty; there is little to choose between 1 and 3, and less is worse on most pairs."""
    neighbours: Annotated[int, Field(ge=1)] | None = None
    """Examples of the plan, itself among them, as the mean of which an example moves; None: one, as in the paper, where
    the plan has all of the source, else three. More help where features are clean, and harm where they are noisy."""
    landmarks: Annotated[int, Field(ge=2)] | None = None
    """Examples of each domain that a plan is computed for; of the target, five times as many for a plain plan. None:
    5,000 by classes, else 1,000."""

    def align(self, source: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> Aligned:
        """See `Alignment.align`."""
        if self.plan == "classes" and (labels < 0).any():
            raise UserError("plan 'classes' of optimal_transport needs a label for each source example; try 'entropic'")
        most = self.landmarks or _MOST[self.plan]
        where = places(source, most)
        ours, theirs = source[where], landmarks(target, most * (_WIDER if self.plan == "plain" else 1))
        cost = euclidean_distances(ours - theirs.mean(0), theirs - theirs.mean(0), squared=True)
        plan = self._plan(labels[where], cost / (np.median(cost) or 1.0))
        moved = plan @ theirs / np.maximum(plan.sum(1, keepdims=True), 1e-300)
        values = {"points": ours, "values": moved - ours, "counts": np.ones(len(ours))}
        near = self.neighbours or (1 if len(ours) == len(source) else _SHIFTED)
        return Aligned(Neighbours(values, count=min(near, len(ours)), shift=True), nn.Identity())

    def _plan(self, labels: np.ndarray, cost: np.ndarray) -> np.ndarray:
        ot = _pot()
        ours, theirs = (np.full(count, 1 / count) for count in cost.shape)
        if self.plan == "plain":
            return np.asarray(ot.emd(ours, theirs, cost, numItermax=10_000_000))
        if self.plan == "entropic":
            return np.asarray(ot.sinkhorn(ours, theirs, cost, self.entropy, "sinkhorn", _ITERATIONS, 1e-6, warn=False))
        members = np.eye(int(labels.max()) + 1)[labels]
        extra, iterations, begin = np.zeros_like(cost), _FIRST, None
        for _ in range(_ROUNDS):
            whole, of = cost + self.groups * extra, {"warn": False, "log": True, "warmstart": begin}
            plan, found = ot.sinkhorn(ours, theirs, whole, self.entropy, "sinkhorn", iterations, 1e-6, **of)
            # Each round goes on from the last one, so that few iterations do: 2,000 in each are no more accurate.
            begin, iterations = tuple(np.log(np.maximum(found[side], 1e-300)) for side in "uv"), _FURTHER
            share = members.T @ plan * cost.shape[1]  # of each target example, from each class
            extra = members @ (0.5 / np.sqrt(share + _SMOOTHED))  # the slope of the root, the majorising line
        return np.asarray(plan)


def _pot() -> Any:
    try:
        import ot
    except ImportError as error:
        raise missing("ot") from error
    return ot
