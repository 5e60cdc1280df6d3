"""Cross-validated linear classification."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.special import log_softmax

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.core.labels import Labels, labels_of
from regraft.heads._ridge import ridge
from regraft.scores._base import Evidence, Score, classified, credit, one_hot
from regraft.scores._probe import dealt, fit, in_span, standardised


@settings
class LinearProbe(Score):
    """Cross-validated log-likelihood or accuracy of L2-regularised multinomial logistic regression.

    Of numbers: the share of their variance that ridge regression explains, its penalty chosen by leaving one out; of
    label sets the mean of that over labels.

    Features are standardised by the training folds. Folds are stratified and follow from the features, not from the
    order of the examples. A class with one example is always trained on and never tested.

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equations 4.104 to 4.109; the solution lies in
    the span of the examples: Schoelkopf et al., A Generalized Representer Theorem, COLT 2001, theorem 1.
    """

    scale_free: ClassVar[bool] = True
    labels: ClassVar[frozenset[Labels]] = frozenset(Labels)

    folds: Annotated[int, Field(ge=2)] = 5
    """How many parts the examples are dealt into; each is predicted from the others."""
    penalty: Annotated[float, Field(gt=0)] = 0.01
    """Weight of half the squared norm, against the summed loss, on features scaled to a mean squared length of 1."""
    metric: Literal["log_likelihood", "accuracy"] = "log_likelihood"
    """Mean natural log of the probability given to the true class, or share of examples predicted right."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed deals other folds."""

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        if labels_of(labels) is not Labels.CLASSES:
            return -np.inf, 1.0
        return (0.0, 1.0) if self.metric == "accuracy" else (-np.inf, 0.0)

    def measure(self, evidence: Evidence) -> float:
        """The mean over the examples that were tested, (-inf, 0] or [0, 1]."""
        x, labels = evidence.features, evidence.labels
        if not classified(labels):
            return self._of_values(x, labels)
        fold = dealt(x, labels, self.folds, self.seed)
        if (fold < 0).all():
            raise UserError("a linear probe needs a class with two examples; every class has one")
        tested = [part for part in range(self.folds) if (fold == part).any()]
        return float(np.concatenate([self._predict(x, labels, fold == part) for part in tested]).mean())

    def _of_values(self, x: np.ndarray, y: np.ndarray) -> float:
        """Share of the variance explained; the rows are dealt by a random projection, as classes are."""
        fold = dealt(x, np.zeros(len(x), dtype=int), self.folds, self.seed)
        squared = np.empty(y.shape)
        for part in np.unique(fold):
            test = fold == part
            mean, level = x[~test].mean(0), y[~test].mean(0)
            # No scaling: a feature that hardly varies in training must not be blown up.
            weights, _ = ridge(x[~test] - mean, y[~test] - level)
            squared[test] = ((x[test] - mean) @ weights + level - y[test]) ** 2
        return float(1 - squared.mean())

    def _predict(self, x: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        """The metric of each row in ``test`` (N,), a mask, by a classifier of the other rows."""
        train, other = standardised(x[~test], x[test])
        train, other = in_span(train, other)
        weights = fit(train, one_hot(labels)[~test], self.penalty)
        log_probability = log_softmax(other @ weights[1:] + weights[0], axis=1)
        if self.metric == "accuracy":
            return credit(log_probability, labels[test])
        return np.asarray(log_probability[np.arange(len(other)), labels[test]])
