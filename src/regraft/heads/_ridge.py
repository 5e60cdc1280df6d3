"""Ridge regression with its penalty chosen by leaving one out, in closed form."""

import numpy as np

_PENALTIES = np.geomspace(1e-4, 1e4, 33)
"""In units of the mean squared singular value, so that the scale of the features does not matter."""


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (D,) and penalty for centred features (N, D) and centred labels (N,).

    The penalty has the smallest squared error of leaving each example out, which follows from one decomposition; the
    mean counts as estimated from all. Ties go to the larger penalty. Features that are constant get no weight.
    Reference: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 7.10, eq. 7.51.
    """
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    kept = singular > (singular.max(initial=0.0) * max(x.shape) * np.finfo(float).eps)
    left, singular, right = left[:, kept], singular[kept], right[kept]
    if not len(singular):
        return np.zeros(x.shape[1]), 0.0
    along = left.T @ y
    best, least = 0.0, np.inf
    for penalty in _PENALTIES[::-1] * np.mean(singular**2):
        shrunk = singular**2 / (singular**2 + penalty)
        leverage = (left**2 @ shrunk) + 1 / len(y)  # the mean is estimated too
        error = float((((y - left @ (shrunk * along)) / np.maximum(1 - leverage, 1e-6)) ** 2).mean())
        if error < least * (1 - 1e-9):
            best, least = float(penalty), error
    return right.T @ (singular / (singular**2 + best) * along), best
