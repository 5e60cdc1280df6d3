"""Logistic regression."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import ClassicalHead
from regraft.heads._standard import balance, planes


@settings
class Logistic(ClassicalHead):
    """Logistic regression with an L2 penalty on centred and scaled features: multinomial, or label by label.

    Reference: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 4.4.
    """

    strength: Annotated[float, Field(gt=0)] = 100.0
    """Inverse of the penalty (scikit-learn's C), for examples at distance one from their mean."""

    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """See `ClassicalHead.learn`."""
        model = LogisticRegression(C=self.strength, max_iter=500, class_weight=balance(weights))
        return planes(model, (features, labels, weights), outputs)
