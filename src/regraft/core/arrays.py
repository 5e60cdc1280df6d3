"""What callers give as a matrix, checked."""

from typing import Any

import numpy as np

from regraft.core.errors import UserError


def matrix(given: Any, name: str) -> np.ndarray:
    """``given``, an array or a tensor, as a finite, non-empty matrix (N, D) of float64.

    Raises:
        UserError: it is none; ``name`` says in the sentence which.
    """
    try:
        found = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} must be a matrix of numbers: {error}") from error
    if found.ndim != 2 or not found.size:
        raise UserError(f"{name} must be a non-empty matrix, an example a row, got shape {found.shape}")
    bad = np.flatnonzero(~np.isfinite(found).all(1))
    if len(bad):
        raise UserError(f"{name} has {len(bad)} rows that are not finite, first row {bad[0]}; leave them out")
    return found
