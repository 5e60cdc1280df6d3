"""What callers give as arrays, checked."""

from typing import Any

import numpy as np

from regraft.core.errors import UserError

LARGEST = 1e70
"""Numbers beyond this are refused: products of sums of their squares must be finite."""
MOST = 1_000_000
"""The largest number of a class."""


def array(given: Any, name: str) -> np.ndarray:
    """``given``, numbers, lists, an array or a tensor, as an array.

    Raises:
        UserError: it is none, as lists of different lengths are; ``name`` says in the sentence which.
    """
    try:
        return np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} must be an array, a matrix of numbers or a list of labels: {error}") from error


def matrix(given: Any, name: str) -> np.ndarray:
    """``given``, an array or a tensor, as a finite, non-empty matrix (N, D) of float64.

    Raises:
        UserError: it is none; ``name`` says in the sentence which.
    """
    found = array(given, name)
    if found.dtype.kind not in "biuf":
        raise UserError(f"{name} must be a matrix of numbers: got {found.dtype}")
    found = found.astype(np.float64, copy=False)
    if found.ndim != 2 or not found.size:
        raise UserError(f"{name} must be a non-empty matrix, an example a row, got shape {found.shape}")
    largest = max(found.max(), -found.min())  # two passes without a copy
    if 0 < largest < 1 / LARGEST:
        raise UserError(too_small(name))
    if not largest <= LARGEST:  # true of NaN too
        bad = np.flatnonzero(~np.isfinite(found).all(1))
        if len(bad):
            raise UserError(f"{name}: {len(bad)} rows are not finite, first row {bad[0]}; leave them out")
        raise UserError(too_large(name))
    return found


def too_large(name: str) -> str:
    """The sentence on what has numbers beyond `LARGEST`."""
    return f"numbers of {name} are beyond {LARGEST:g}, too large to be squared and summed; scale them down"


def too_small(name: str) -> str:
    """The sentence on what has no number as large as the inverse of `LARGEST`, and not only zeros."""
    return f"numbers of {name} are all below {1 / LARGEST:g}, too small to be squared; scale them up"


def radius(centred: np.ndarray) -> float:
    """Root of the mean squared length of rows (N, D), however small they are."""
    largest = float(abs(centred).max())
    return largest * float(np.sqrt(((centred / largest) ** 2).sum(1).mean())) if largest else 0.0


def classes(given: Any, name: str) -> np.ndarray:
    """``given``, an array or a tensor, as classes (N,) of int64, from 0 to `MOST` or -1 where one is not known.

    Raises:
        UserError: they are no such numbers; ``name`` says in the sentence whose they are.
    """
    found = array(given, f"labels of {name}")
    if found.ndim != 1:
        fix = "; numpy.argmax(labels, 1) numbers one-hot rows" if found.ndim == 2 and found.shape[1] > 1 else ""
        raise UserError(f"labels of {name} must be one whole number for each, got shape {found.shape}{fix}")
    numbers = found.dtype.kind in "biuf"
    whole = (found >= -1) & (found <= MOST) & (found == np.floor(found)) if numbers else np.zeros(len(found), bool)
    if not whole.all():
        fix = "; numpy.unique(labels, return_inverse=True)[1] numbers names and large numbers"
        odd = found[~whole].tolist()[0]
        raise UserError(f"labels of {name} must be whole numbers from 0, or -1 where unknown, got {odd!r}{fix}")
    return found.astype(np.int64)


def counts(given: Any, many: int) -> np.ndarray:
    """``given`` as weights (``many``,) of float64 that are not negative and not all zero.

    Raises:
        UserError: they are none.
    """
    found = array(given, "the weights")
    found = matrix(found[:, None] if found.ndim == 1 else found, "the weights")
    if found.shape != (many, 1) or found.min() < 0 or not found.max() > 0:
        raise UserError(f"weights must be {many} numbers from 0, one for each example, and not all 0")
    return found[:, 0]
