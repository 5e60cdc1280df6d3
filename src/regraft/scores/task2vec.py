"""Whether the source's task and the target's lean on the same features."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from scipy.special import softmax

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.heads._ridge import ridge
from regraft.scores._base import Evidence, Score, classified, one_hot
from regraft.scores._probe import fit, in_span, standardised


@settings
class Task2vec(Score):
    """Minus the distance of two Fisher embeddings, of the source's labelled task and of the target's; in [-1, 0].

    A task's embedding is how much its predictions would change with each feature: the diagonal of the Fisher
    information about a factor on each feature, at one, under a linear probe on the source's backbone. The distance is
    one minus the cosine of both, each divided by their sum. The paper embeds by the filters of all layers of one
    probe network; this sees the features only, and each source is its own probe network. So it says what two tasks
    share, not whether the features are any good: two tasks may lean on the same noise.

    Numbers, and the labels of sets, are predicted by ridge regression under normal noise.

    Reference: Achille et al., Task2Vec: Task Embedding for Meta-Learning, ICCV 2019, equations 1 and 2 and the
    symmetric distance of section 4.
    """

    scale_free: ClassVar[bool] = True
    labels: ClassVar[frozenset[Labels]] = frozenset(Labels)
    noise_safe: ClassVar[bool] = False

    penalty: Annotated[float, Field(gt=0)] = 0.01
    """Weight of half the squared norm of the probe of classes, as in ``linear_probe``."""

    @property
    def needs(self) -> frozenset[str]:
        """Features and labels of both sides."""
        return frozenset({"features", "labels", "source_features", "source_labels"})

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return -1.0, 0.0

    def measure(self, evidence: Evidence) -> float:
        """Minus the distance."""
        assert evidence.source_features is not None  # checked: it is in ``needs``
        assert evidence.source_labels is not None
        ours = self._embedding(evidence.source_features, evidence.source_labels)
        theirs = self._embedding(evidence.features, evidence.labels)
        total = ours + theirs
        lean = total > 1e-12 * total.max(initial=0.0)
        if not lean.any():
            return -1.0  # neither leans on anything: nothing is known to be shared
        ours, theirs = ours[lean] / total[lean], theirs[lean] / total[lean]
        size = np.sqrt((ours @ ours) * (theirs @ theirs))
        return float(ours @ theirs / size) - 1.0 if size > 0 else -1.0

    def _embedding(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The Fisher information (D,) about a factor on each standardised feature."""
        x = standardised(x, x)[0]
        if not classified(labels):
            weights, _ = ridge(x, labels)
            noise = np.maximum(np.square(labels - x @ weights).mean(0), 1e-6)  # of standardised labels
            return np.asarray(np.square(x).mean(0) * np.square(weights / np.sqrt(noise)).mean(1))
        if not x.any():
            return np.zeros(x.shape[1])
        short, axes = in_span(x, np.eye(x.shape[1]))  # axes (D, R): what is fitted along them is a sum over features
        found = fit(short, one_hot(labels), self.penalty)
        probability = softmax(short @ found[1:] + found[0], axis=1)
        weights = axes @ found[1:]  # (D, C)
        # The variance over classes of what a unit of the feature adds to their scores, for each example and feature.
        varies = probability @ np.square(weights).T - np.square(probability @ weights.T)
        return np.asarray((np.square(x) * np.maximum(varies, 0.0)).mean(0))
