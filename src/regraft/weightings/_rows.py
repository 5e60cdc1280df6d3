"""Choices among the rows of a matrix that depend on what is in them, not on where they stand or on their unit."""

import numpy as np

from regraft.core.seeding import derive

_BLOCK = 4096


def along(x: np.ndarray) -> np.ndarray:
    """Where each row of ``x`` (N, D) lies along a random direction, the same for equal widths: (N,).

    Row by row, so that equal rows lie at the very same place, which products of matrices do not promise.
    """
    direction = np.random.default_rng(derive(0, "rows", x.shape[1])).normal(size=x.shape[1])
    parts = (np.ascontiguousarray(x[i : i + _BLOCK]) * direction for i in range(0, len(x), _BLOCK))
    return np.concatenate([part.sum(1) for part in parts])


def order(x: np.ndarray) -> np.ndarray:
    """The places (N,) of the rows of ``x`` (N, D), in an order as good as random that only their content decides.

    Rows are ranked along a direction and the ranks shuffled, always alike: neither their order nor their unit matters.
    Of what was read, not of what was computed from it: rounding follows the order of rows.
    """
    return np.argsort(along(x), kind="stable")[_shuffled(len(x))]


def some(x: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` rows of ``x`` (N, D), chosen by content."""
    return x[order(x)[:count]]


def dealt(x: np.ndarray, parts: int) -> np.ndarray:
    """The part (N,), from 0 to ``parts`` - 1, of each row of ``x`` (N, D); parts hold equally many different rows."""
    different, place = np.unique(along(x), return_inverse=True)
    return np.asarray(_shuffled(len(different))[place] % parts)


def _shuffled(count: int) -> np.ndarray:
    return np.random.default_rng(derive(0, "order", count)).permutation(count)
