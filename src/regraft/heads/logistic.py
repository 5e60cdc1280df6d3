"""Logistic regression."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import ClassicalHead
from regraft.heads._standard import layer, moments, spread


@settings
class Logistic(ClassicalHead):
    """Multinomial logistic regression with an L2 penalty on centred and scaled features.

    Reference: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 4.4.
    """

    strength: float = 100.0
    """Inverse of the penalty (scikit-learn's C), for examples at distance one from their mean."""

    def fit(self, features: np.ndarray, labels: np.ndarray, outputs: int) -> nn.Module:
        """See `ClassicalHead.fit`."""
        mean, deviation = moments(features)
        model = LogisticRegression(C=self.strength, max_iter=500, class_weight="balanced")
        with threadpool_limits(1):  # waking threads costs more than so little arithmetic
            model.fit((features - mean) / deviation, labels)
        return layer(*spread(model.coef_, model.intercept_, model.classes_, outputs), mean, deviation)
