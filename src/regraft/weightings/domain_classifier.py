"""Tell the domains apart, and read the ratio off the probabilities."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.linear_model import LogisticRegression

from regraft.core.arrays import radius
from regraft.core.config import settings
from regraft.weightings._base import Weighting
from regraft.weightings._rows import dealt, order

_STRENGTHS = (0.01, 1.0, 100.0)
"""Inverses of the penalty that are tried."""
_MOST = 20_000
"""Examples that a fold learns from, at most."""


@settings
class DomainClassifier(Weighting):
    """Odds of the target against the source, by logistic regression on the features.

    Each example is judged by a classifier that has seen neither it nor its copies, and the log odds of all are
    calibrated by a line: a classifier that separates its own examples would say nothing else of them. It sees
    differences of the means; domains that differ in their spread alone look the same to it.
    Reference: Bickel, Brueckner and Scheffer, Discriminative learning under covariate shift, JMLR 2009, eq. 6; of the
    calibration: Platt, Probabilistic outputs for support vector machines, 1999.
    """

    strength: Annotated[float, Field(gt=0)] | None = None
    """Inverse of the penalty, for examples at distance one from their mean; None: the likeliest of three."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Parts of which each is judged by what the others say."""

    def estimate(self, source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """See `Weighting.estimate`."""
        x, of = np.concatenate([source, target]), np.repeat([0, 1], [len(source), len(target)])
        turns = order(x), dealt(x, self.folds)
        x = x - x.mean(0)
        # Memory is what the fits wait for: in single precision they take half as long.
        x = (x / (radius(x) or 1.0)).astype(np.float32)
        strengths = _STRENGTHS if self.strength is None else (self.strength,)
        calibrated = [_calibrated(_odds(x, of, turns, strength), of) for strength in strengths]
        best = max(calibrated, key=lambda found: -np.logaddexp(0, np.where(of == 1, -found, found)).mean())
        return np.asarray(np.exp(best[: len(source)]) * len(source) / len(target))


def _odds(x: np.ndarray, of: np.ndarray, turns: tuple[np.ndarray, np.ndarray], strength: float) -> np.ndarray:
    """Log odds (N + M,) of each example by the classifier of the other parts; ``turns``: an order, and the parts."""
    by_content, part = turns
    found = np.zeros(len(x))
    for fold in np.unique(part):
        learn = by_content[part[by_content] != fold][:_MOST]
        if len(np.unique(of[learn])) == 2:
            model = LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(x[learn], of[learn])
            found[part == fold] = model.decision_function(x[part == fold])
    return found


def _calibrated(odds: np.ndarray, of: np.ndarray) -> np.ndarray:
    line = LogisticRegression(C=1e4).fit(odds[:, None], of)
    return np.asarray(line.decision_function(odds[:, None]))
