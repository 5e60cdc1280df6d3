"""Tests of the field: exact McNemar, Holm's correction, and the interval of Nadeau and Bengio."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr

from regraft.core.errors import UserError
from regraft.core.records import Interval
from regraft.guard._errors import Error
from regraft.guard._tables import values_of


def mcnemar(fixed: int, broken: int) -> float:
    """Exact two-sided p-value (McNemar 1947): only the candidate is right ``fixed`` times, only the other ``broken``.

    Raises:
        UserError: a count is negative.
    """
    if min(fixed, broken) < 0:
        raise UserError(f"counts must not be negative, got {fixed} and {broken}")
    return min(1.0, 2 * float(bdtr(min(fixed, broken), fixed + broken, 0.5)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjusted p-values (K,), in the given order, for K comparisons at once (Holm 1979).

    Raises:
        UserError: a value is outside [0, 1].
    """
    given = np.asarray(p_values, dtype=float)
    if not ((given >= 0) & (given <= 1)).all():
        raise UserError(f"p-values must be in [0, 1], got {given.tolist()}")
    order = np.argsort(given)
    steps = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    return np.minimum(steps, 1.0)[np.argsort(order)]


def nadeau_bengio(differences: Sequence[float], test_share: float, level: float = 0.95) -> tuple[Interval, float]:
    """Interval and two-sided p-value of the mean of differences (k,) over repeated splits of one data set.

    Splits share examples, so the plain t test is too sure: here the variance of the mean is (1/k + n_test/n_train) s^2,
    with k - 1 degrees of freedom (Nadeau and Bengio 2003). ``test_share`` is n_test / (n_test + n_train).

    Raises:
        UserError: fewer than two differences, one that is not finite, or a share outside (0, 1).
    """
    values = values_of([differences])[0]
    if len(values) < 2 or not 0 < test_share < 1:
        raise UserError(f"needs two differences and a share in (0, 1), got {len(values)} and {test_share}")
    spread = values.var(ddof=1) * (1 / len(values) + test_share / (1 - test_share))
    error, mean = Error(math.sqrt(spread), len(values) - 1), float(values.mean())
    return error.interval(mean, level), 2 * error.below(-abs(mean))
