"""Fisher discriminants that were made to face hard examples."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from scipy.special import softmax

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.scores._base import Evidence, Score, one_hot, shrinkage, spectrum
from regraft.scores._probe import dealt

_CHALLENGE = 5.0  # how fast the regularisation fades as the features vary more within classes


@settings
class Sfda(Score):
    """Self-challenging Fisher discriminant analysis: mean probability of the true class among hard examples; in [0, 1].

    A regularised discriminant analysis gives class probabilities. Each example is then mixed with the mean of the other
    classes, the more the less sure its own class is, and a second analysis of the mixtures is what counts.

    The published score judges the examples that it was fitted to, so that with more features than examples noise scores
    1, and its regularisation fades with the scale of the features. Here examples are judged by discriminants of the
    other folds with the regularisation of Ledoit and Wolf; without folds and shrinking it is the published score.

    Reference: Shao et al., Not All Models Are Equal: Predicting Model Transferability in a Self-challenging Fisher
    Space, ECCV 2022, sections 3.2 and 3.3; the mean is of probabilities, as in the authors' code, not of logarithms.
    """

    scale_free: ClassVar[bool] = True

    folds: Annotated[int, Field(ge=0)] = 5
    """How many parts the examples are dealt into, each judged by the others; 0: all are judged by all."""
    shrink: bool = True
    """Shrink the covariance within classes by the amount of Ledoit and Wolf; else by exp(-5 times its largest
    eigenvalue), so that features on a large scale are not regularised."""

    def bounds(self, labels: np.ndarray) -> tuple[float, float]:
        """See `Score.bounds`."""
        return 0.0, 1.0

    def measure(self, evidence: Evidence) -> float:
        """The mean probability."""
        labels, width = evidence.labels, evidence.features.shape[1]
        vectors, sigma = spectrum(evidence.features - evidence.features.mean(0))
        if not len(sigma):
            return float(np.square(np.bincount(labels) / len(labels)).sum())  # constant features leave the shares
        x = vectors * np.sqrt(sigma)  # all that discriminants see lies in the span of the examples
        if not self.folds:
            return float(self._challenged(x, labels, np.ones(len(x), bool), width).mean())
        fold = dealt(evidence.features, labels, self.folds, 0)
        if (fold < 0).all():
            raise UserError("sfda needs a class with two examples; every class has one; or set folds to 0")
        tested = [part for part in range(self.folds) if (fold == part).any()]
        return float(np.concatenate([self._challenged(x, labels, fold == part, width) for part in tested]).mean())

    def _challenged(self, x: np.ndarray, labels: np.ndarray, test: np.ndarray, width: int) -> np.ndarray:
        """The probability of its class for each row in ``test`` (N,), a mask, by the rows outside of it, or by all.

        ``width``: how many features ``x`` (N, R), coordinates in the span of the examples, had.
        """
        train = np.ones(len(x), bool) if test.all() else ~test
        first = _Discriminant(x[train], labels[train])
        amount = shrinkage(first.inner, first.values, width) if self.shrink else first.faded
        # A softmax of the probabilities softens them: with the surest examples unmixed nothing would be a challenge.
        sure = softmax(first.probabilities(x, amount, width), axis=1)[np.arange(len(x)), labels][:, None]
        others = (first.means.sum(0) - first.means) / (len(first.means) - 1)
        mixed = sure * x + (1 - sure) * others[labels]
        second = _Discriminant(mixed[train], labels[train])
        return second.probabilities(mixed[test], amount, width)[np.arange(test.sum()), labels[test]]


class _Discriminant:
    """Normal classes of one covariance, of which ``values`` (R,) are the eigenvalues."""

    def __init__(self, x: np.ndarray, labels: np.ndarray) -> None:
        classes = one_hot(labels)
        self.shares = classes.mean(0)
        self.means = classes.T @ x / classes.sum(0)[:, None]
        self.inner = x - self.means[labels]
        self.values, self.vectors = np.linalg.eigh(self.inner.T @ self.inner / len(x))
        self.least = max(1e-9 * float(np.square(x).sum()) / len(x) / x.shape[1], 1e-300)

    @property
    def faded(self) -> float:
        """The published amount of regularisation."""
        return max(float(np.exp(-_CHALLENGE * self.values[-1])), 1e-10)

    def probabilities(self, x: np.ndarray, amount: float, width: int) -> np.ndarray:
        """Of the classes, (N, C), with the covariance shrunk by ``amount`` towards a multiple of the identity."""
        values = (1 - amount) * self.values + amount * self.values.sum() / width
        values = np.maximum(values, self.least)  # classes of copies do not vary
        weights = self.vectors @ (self.vectors.T @ self.means.T / values[:, None])
        offset = np.log(self.shares) - (self.means * weights.T).sum(1) / 2
        return np.asarray(softmax(x @ weights + offset, axis=1))
