"""What callers give as arrays, checked."""

from typing import Any

import numpy as np

from regraft.core.errors import UserError

LARGEST = 1e70
"""Numbers beyond this are refused: products of sums of their squares must be finite."""


def matrix(given: Any, name: str) -> np.ndarray:
    """``given``, an array or a tensor, as a finite, non-empty matrix (N, D) of float64.

    Raises:
        UserError: it is none; ``name`` says in the sentence which.
    """
    try:
        found = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"got {found.dtype}")
        found = found.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} must be a matrix of numbers: {error}") from error
    if found.ndim != 2 or not found.size:
        raise UserError(f"{name} must be a non-empty matrix, an example a row, got shape {found.shape}")
    if not max(found.max(), -found.min()) <= LARGEST:  # two passes without a copy; true of NaN too
        bad = np.flatnonzero(~np.isfinite(found).all(1))
        if len(bad):
            raise UserError(f"{name}: {len(bad)} rows are not finite, first row {bad[0]}; leave them out")
        raise UserError(too_large(name))
    return found


def too_large(name: str) -> str:
    """The sentence on what has numbers beyond `LARGEST`."""
    return f"numbers of {name} are beyond {LARGEST:g}, too large to be squared and summed; scale them down"


def classes(given: Any, name: str) -> np.ndarray:
    """``given``, an array or a tensor, as classes (N,) of int64, -1 where one is not known.

    Raises:
        UserError: they are no such numbers; ``name`` says in the sentence whose they are.
    """
    found = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    whole = (found >= -1) & (found == np.floor(found)) if found.dtype.kind in "biuf" else np.zeros(found.shape, bool)
    if found.ndim != 1 or not whole.all():
        odd = f"shape {found.shape}; flatten them" if found.ndim != 1 else repr(found[~whole][0].item())
        fix = "; numpy.unique(labels, return_inverse=True)[1] numbers names" if found.dtype.kind in "USO" else ""
        raise UserError(f"labels of {name} must be whole numbers from 0, or -1 where unknown, got {odd}{fix}")
    return found.astype(np.int64)
