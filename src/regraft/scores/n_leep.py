"""Likelihood of the labels given clusters of the features."""

import warnings
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from regraft.core.config import settings
from regraft.scores._base import Evidence, Score, one_hot, spectrum
from regraft.scores._probe import along

_EACH = 5  # examples for each cluster, at least, where they are judged by each other


@settings
class NLeep(Score):
    """LEEP with the clusters of a Gaussian mixture in place of source classes, so that no source classes are needed.

    The mixture is fitted to the leading principal components. In (-inf, 0].

    In the published score an example counts in the cluster that judges it, so with a few examples a cluster any
    features predict the labels. Here each is judged by the others of its clusters, of which there is one for five
    examples at most, and one more example, shared by the classes as all are, counts in each; ``leave_out = False`` with
    ``covariance = "full"`` is the published score.

    Reference: Li et al., Ranking Neural Checkpoints, CVPR 2021, section 4.2.
    """

    scale_free: ClassVar[bool] = True

    energy: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the variance that the principal components keep."""
    clusters: Annotated[int, Field(ge=1)] = 5
    """Clusters for each class; no more than different examples in all."""
    covariance: Literal["full", "diag", "spherical"] = "spherical"
    """What a cluster may look like: the freer, the more examples it takes to tell."""
    leave_out: bool = True
    """Judge each example by the others."""

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return -np.inf, 0.0

    def measure(self, evidence: Evidence) -> float:
        """The mean log-likelihood, in nats."""
        order = np.argsort(along(evidence.features, 0), kind="stable")  # what is random follows the order of the rows
        labels = evidence.labels[order]
        theta = self._clusters(evidence.features[order], labels.max() + 1)
        joint, own = one_hot(labels).T @ theta, theta if self.leave_out else 0.0
        given, total = joint[labels] - own, joint.sum(0) - own  # both (N, K)
        if self.leave_out:
            share = np.bincount(labels)[labels] / (len(labels) + labels.max())  # of the others, with one of each class
            given, total = given + share[:, None], total + 1
        return float(np.log((theta * given / np.maximum(total, 1e-300)).sum(1)).mean())

    def _clusters(self, x: np.ndarray, classes: int) -> np.ndarray:
        """Probabilities (N, K) of the clusters."""
        vectors, sigma = spectrum(x - x.mean(0))
        if not len(sigma):
            return np.ones((len(x), 1))
        vectors, sigma = vectors[:, ::-1], sigma[::-1]
        kept = 1 + int(np.searchsorted(np.cumsum(sigma) / sigma.sum(), self.energy - 1e-12))
        z = (vectors * np.sqrt(sigma / sigma.mean()))[:, :kept] * np.sqrt(len(x))
        count = min(self.clusters * classes, len(np.unique(z.round(9), axis=0)))
        count = min(count, max(2, len(x) // _EACH)) if self.leave_out else count
        mixture = GaussianMixture(count, covariance_type=self.covariance, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # where EM has not settled, it is near enough
            return np.asarray(mixture.fit(z).predict_proba(z))
