"""Labels from the centroids of the target's own features."""

from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.core.labels import Labels
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._refreshing import Refreshing


@settings
class CentroidLabels(Term):
    """Cross-entropy with pseudo-labels: the nearest centroid among the classes, by cosine of the features.

    Every unlabelled target example has one, found anew ``refreshes`` times over the phase.
    Reference: Liang et al., Do we really need to access the source data? Source hypothesis transfer for unsupervised
    domain adaptation, ICML 2020, eq. 5 and 6.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.UNLABELED})
    refreshes: Annotated[int, Field(ge=1)] = 5
    """How often the labels are found, at even distances; the paper does so each epoch."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the model does not predict classes.
            ValueError: there are no unlabelled examples.
        """
        if problem.task.labels is not Labels.CLASSES:
            raise CandidateError(f"centroids are of classes, and the labels are {problem.task.labels.value}")
        return _CentroidLabels(self.refreshes, problem)


def centroid_labels(features: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Labels (N,) of features (N, D) whose classes a model gives ``probabilities`` (N, C).

    The first centroids are means weighted by probability (equation 5), the second ones those of the labels that these
    give (equation 6). A class that then has no example keeps its first centroid.
    """
    x = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    weights = probabilities
    centroids = weights.T @ features / weights.sum(0)[:, None].clip(1e-12)
    for _ in range(2):
        lengths = np.linalg.norm(centroids, axis=1)
        labels = np.where(lengths > 0, x @ centroids.T / lengths.clip(1e-12), -np.inf).argmax(1)
        weights = np.eye(probabilities.shape[1])[labels]
        count = weights.sum(0)[:, None]
        centroids = np.where(count > 0, weights.T @ features / count.clip(1), centroids)
    return np.asarray(labels)


class _CentroidLabels(Refreshing):
    labels: Tensor

    def __init__(self, refreshes: int, problem: Problem) -> None:
        super().__init__(refreshes, problem)
        self.register_buffer("labels", torch.zeros(len(self.data), dtype=torch.int64))

    def forward(self, round_: Round) -> Tensor:
        self.refresh(round_)
        places = round_.batches[Stream.UNLABELED].index
        assert places is not None
        return F.cross_entropy(round_.view(Stream.UNLABELED).outputs.float(), self.labels[places])

    def find(self, features: np.ndarray, probabilities: np.ndarray) -> None:
        self.labels.copy_(torch.from_numpy(centroid_labels(features, probabilities)))
