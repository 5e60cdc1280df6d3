"""Second moments, and the bases of principal components, that alignments in closed form are made of."""

import numpy as np
from scipy.linalg import eigh

from regraft.heads._layers import Affine


def covariance(x: np.ndarray, shrinkage: float) -> np.ndarray:
    """Covariance (D, D) of rows (N, D), plus ``shrinkage`` times the identity."""
    return _scatter(x) / max(len(x) - 1, 1) + shrinkage * np.eye(x.shape[1])


def power(symmetric: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric matrix (D, D); values below zero, which rounding leaves, count as zero."""
    values, vectors = np.linalg.eigh(symmetric)
    return np.asarray((vectors * np.maximum(values, 0.0) ** exponent) @ vectors.T)


def _scatter(x: np.ndarray) -> np.ndarray:
    """Sums of products (D, D) of rows (N, D) less their mean.

    Taking the mean away afterwards spares a copy of the rows, but cancels digits: at most one, or it is done before.
    """
    mean, found = x.mean(0), np.asarray(x.T @ x)
    if (len(x) * mean**2 <= 0.9 * np.diag(found)).all():
        return found - len(x) * np.outer(mean, mean)
    centred = x - mean
    return np.asarray(centred.T @ centred)


def principal(x: np.ndarray, count: int) -> np.ndarray:
    """Orthonormal directions (D, E) of most variance of rows (N, D): ``count``, or as many as there are."""
    if len(x) > 2 * x.shape[1]:  # many times faster, and the directions that it blurs hardly vary
        last = x.shape[1] - 1
        values, vectors = eigh(_scatter(x), subset_by_index=(max(0, last + 1 - count), last))
        singular, right = np.sqrt(np.maximum(values[::-1], 0.0)), vectors.T[::-1]
        least = np.sqrt(np.finfo(float).eps)
    else:
        _, singular, right = np.linalg.svd(x - x.mean(0), full_matrices=False)
        least = max(x.shape) * np.finfo(float).eps
    kept = int((singular > singular.max(initial=0.0) * least).sum())
    return np.array(right[: max(1, min(count, kept))].T, order="C")  # a copy: nothing may look backwards


def centring(x: np.ndarray, weight: np.ndarray, centre: bool = True) -> Affine:
    """The layer ``(features - mean of x) @ weight`` for rows (N, D) and a weight (D, E); no mean without ``centre``."""
    return Affine({"weight": weight, "bias": -x.mean(0) @ weight * centre})
