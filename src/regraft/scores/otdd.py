"""Distance by optimal transport between the source's labelled data and the target's."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.heads._kernels import places
from regraft.scores._base import Evidence, Score, classified


@settings
class Otdd(Score):
    """Minus the optimal transport dataset distance between source and target, squared; in (-inf, 0].

    To move an example costs the squared distance of the features plus that of the classes: the squared 2-Wasserstein
    distance of two normal distributions with the means and covariances of the classes. Both in units of the spread of
    the target, twice its total variance, so that backbones can be compared. It compares data as a source's own features
    show them. It does not say whether these features are any good: where all examples look alike, nothing is far.

    Reference: Alvarez-Melis and Fusi, Geometric Dataset Distances via Optimal Transport, NeurIPS 2020, equations 3
    to 6 (with normal classes).
    """

    scale_free: ClassVar[bool] = True
    noise_safe: ClassVar[bool] = False

    examples: Annotated[int, Field(ge=2)] = 500
    """Examples of each side that are moved, at most, and of the longer side a multiple of the shorter; of more, as
    many, spread over all."""
    relative: bool = True
    """In units of the spread of the target; else of the features."""

    @property
    def needs(self) -> frozenset[str]:
        """Features and labels of both sides."""
        return frozenset({"features", "labels", "source_features", "source_labels"})

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return -np.inf, 0.0

    def measure(self, evidence: Evidence) -> float:
        """Minus the squared distance."""
        assert evidence.source_features is not None  # checked: it is in ``needs``
        assert evidence.source_labels is not None
        if not classified(evidence.source_labels):
            raise UserError("otdd compares classes, and the labels of the source are none; choose another score")
        sizes = [min(len(side), self.examples) for side in (evidence.source_features, evidence.features)]
        sizes = [size // min(sizes) * min(sizes) for size in sizes]
        ours, theirs = places(evidence.source_features, sizes[0]), places(evidence.features, sizes[1])
        x, z = evidence.source_features[ours], evidence.features[theirs]
        x_labels, z_labels = evidence.source_labels[ours], evidence.labels[theirs]
        between = np.array([[_apart(a, b) for b in _classes(z, z_labels)] for a in _classes(x, x_labels)])
        x_labels, z_labels = (np.unique(labels, return_inverse=True)[1] for labels in (x_labels, z_labels))
        cost = cdist(x, z, "sqeuclidean") + between[np.ix_(x_labels, z_labels)]
        unit = 2 * z.var(0).sum() if self.relative else 1.0
        return -_transport(cost) / unit if unit > 0 else 0.0


def _classes(x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """The examples of each class that occurs."""
    return [x[labels == c] for c in np.unique(labels)]


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """The squared 2-Wasserstein distance of normal distributions with the moments of ``a`` (N, D) and ``b`` (M, D).

    The trace of the root of the product of two covariances is the nuclear norm of the product of the centred examples,
    which is small where examples are few.
    """
    means, centred = (a.mean(0), b.mean(0)), (a - a.mean(0), b - b.mean(0))
    spread = sum(float(np.square(c).sum()) / len(c) for c in centred)
    shared = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum() / np.sqrt(len(a) * len(b))
    return float(np.square(means[0] - means[1]).sum() + max(spread - 2 * shared, 0.0))


def _transport(cost: np.ndarray) -> float:
    """The least mean cost of moving all of one side to the other; the longer side of ``cost`` is k times the shorter.

    With equal masses on the vertices that is an assignment, each example of the shorter side taken k times: of the
    plans of least cost, one is a permutation (Birkhoff).
    """
    longest = max(cost.shape)
    cost = np.repeat(np.repeat(cost, longest // cost.shape[0], axis=0), longest // cost.shape[1], axis=1)
    return float(cost[linear_sum_assignment(cost)].mean())
