"""Linear support vector machine."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.svm import LinearSVC
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import ClassicalHead
from regraft.heads._standard import balance, planes


@settings
class Svm(ClassicalHead):
    """One-against-rest linear support vector machine on centred and scaled features.

    Its margins are used as the logits of the class probabilities.
    Reference: Cortes and Vapnik, Support-vector networks, Machine Learning 1995.
    """

    strength: Annotated[float, Field(gt=0)] = 1.0
    """Inverse of the penalty (scikit-learn's C), for examples at distance one from their mean."""
    sharpness: Annotated[float, Field(gt=0)] = 4.0
    """Factor from margins to logits; margins lie near one, too flat for probabilities."""

    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """See `ClassicalHead.learn`."""
        model = LinearSVC(C=self.strength, class_weight=balance(weights), max_iter=5000, random_state=0)
        return planes(model, (features, labels, weights), outputs, self.sharpness)
