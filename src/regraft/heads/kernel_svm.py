"""Support vector machine with a Gaussian kernel."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.svm import SVC, LinearSVC
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import ClassicalHead
from regraft.heads._kernels import gaussian, inverse_root, landmarks
from regraft.heads._layers import Kernel
from regraft.heads._standard import balance, moments, rarity


@settings
class KernelSvm(ClassicalHead):
    """One-against-rest support vector machine with the kernel exp(-gamma |x - z|^2), on centred and scaled features.

    Exact up to ``exact`` examples; beyond them, linear in the features that the kernel has with ``landmarks`` of them
    (Nyström). Its margins are used as the logits of the class probabilities.
    Reference: Cortes and Vapnik, Support-vector networks, Machine Learning 1995; beyond, Williams and Seeger, Using the
    Nyström method to speed up kernel machines, NIPS 2000.
    """

    strength: Annotated[float, Field(gt=0)] = 10.0
    """Inverse of the penalty (scikit-learn's C)."""
    gamma: Annotated[float, Field(gt=0)] = 1.0
    """Of the kernel, for examples at distance one from their mean."""
    sharpness: Annotated[float, Field(gt=0)] = 4.0
    """Factor from margins to logits; margins lie near one, too flat for probabilities."""
    exact: Annotated[int, Field(ge=1)] = 4000
    """Examples up to which it is exact."""
    landmarks: Annotated[int, Field(ge=1)] = 1000
    """Examples that the kernel is computed with beyond that."""

    def learn(
        self, features: np.ndarray, labels: np.ndarray, outputs: int, weights: np.ndarray | None = None
    ) -> nn.Module:
        """See `ClassicalHead.learn`."""
        mean, deviation = moments(features)
        x = (features - mean) / deviation
        nystroem = len(x) > self.exact
        marks = landmarks(x, self.landmarks) if nystroem else x
        root = inverse_root(gaussian(marks, marks, self.gamma)) if nystroem else None
        rows = gaussian(x, marks, self.gamma) if root is None else gaussian(x, marks, self.gamma) @ root
        sets = labels.ndim == 2
        coefficients, bias = np.zeros((len(marks), outputs)), np.full(outputs, 0.0 if sets else -30.0)
        for c in range(outputs):
            held = labels[:, c] if sets else (labels == c).astype(int)
            if 0 < held.sum() < len(held):
                found, offset = self._separate(rows, root is None, held, weights, sets)
                coefficients[:, c] = self.sharpness * (found if root is None else root @ found)
                bias[c] = self.sharpness * offset
            elif sets:
                bias[c] = np.log((held.sum() + 0.5) / (len(held) - held.sum() + 0.5))
            elif held.all():
                bias[c] = 0.0
        values = {"landmarks": marks * deviation + mean, "weight": coefficients, "bias": bias}
        return Kernel(values, kind="gaussian", gamma=self.gamma / deviation**2)

    def _separate(
        self, rows: np.ndarray, kernel: bool, held: np.ndarray, weights: np.ndarray | None, sets: bool
    ) -> tuple[np.ndarray, float]:
        """Coefficients (P,) and offset of one class against the rest: of the ``kernel`` (N, N), or of features."""
        each = {1: float(rarity(held[:, None])[0])} if sets else balance(weights)
        if kernel:
            model = SVC(C=self.strength, kernel="precomputed", class_weight=each, tol=1e-5)
            model.fit(rows, held, weights)
            found = np.zeros(len(rows))
            found[model.support_] = model.dual_coef_[0]
            return found, float(model.intercept_[0])
        model = LinearSVC(C=self.strength, class_weight=each, loss="hinge", max_iter=20_000, random_state=0)
        model.fit(rows, held, weights)
        return model.coef_[0], float(model.intercept_[0])
