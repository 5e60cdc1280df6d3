"""Utilities as tables of what is drawn independently: checked, paired, and summed over clusters."""

from collections.abc import Sequence

import numpy as np

from regraft.core.errors import UserError
from regraft.core.records import Evaluation

Utility = Evaluation | np.ndarray | Sequence[Sequence[float]] | Sequence[float]
"""Utility per seed and example, (S, N); (N,) stands for one seed."""
Groups = Sequence[str] | None
"""Cluster of each example, (N,): examples of a cluster are not independent. None: those of the Evaluation, if any."""


def units_of(values: np.ndarray, groups: Groups) -> tuple[np.ndarray, float]:
    """What is drawn independently, (S, G) with the row means of ``values`` (S, N), and the effective number of it.

    A cluster's entry is the seed's mean plus the cluster's summed deviations from it: the linearised ratio estimator,
    for clusters of unequal size.
    """
    if groups is None:
        return values, float(values.shape[1])
    codes, count = clusters(groups, values.shape[1])
    mean = values.mean(1, keepdims=True)
    sums = np.stack([np.bincount(codes, row) for row in values - mean])
    return mean + sums * (sums.shape[1] / values.shape[1]), count


def clusters(groups: Groups, examples: int) -> tuple[np.ndarray, float]:
    """Cluster numbers (N,), and how many equal clusters say as much (after Carter, Schnepel and Steigerwald 2017)."""
    codes = np.arange(examples) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    return codes, float(examples**2 / (np.bincount(codes).astype(float) ** 2).sum())


def resamples(total: int, repeats: int, seed: int) -> np.ndarray:
    """How often each of ``total`` things is drawn in each resample, (R, total)."""
    draws = np.random.default_rng(seed).integers(0, total, (repeats, total)) + total * np.arange(repeats)[:, None]
    return np.bincount(draws.ravel(), minlength=repeats * total).reshape(repeats, total)


def step(values: np.ndarray) -> float:
    """The jump of a utility that has two values (right, wrong), else 0."""
    return 1.0 if np.isin(values, (0, 1)).all() else float(np.ptp(values)) if len(np.unique(values)) == 2 else 0.0


def paired(candidate: Utility, baseline: Utility, groups: Groups) -> tuple[np.ndarray, np.ndarray, Groups]:
    """Two utilities (S, N) of the same examples, and their clusters.

    Raises:
        UserError: shapes, examples or groups do not fit, or a value is not finite.
    """
    ours, theirs = values_of(candidate), values_of(baseline)
    if ours.shape != theirs.shape:
        raise UserError(f"the two utilities must have the same seeds and examples, got {ours.shape} and {theirs.shape}")
    if isinstance(candidate, Evaluation) and isinstance(baseline, Evaluation) and candidate.ids != baseline.ids:
        raise UserError("the two evaluations are of different examples, or not in the same order")
    if groups is None and isinstance(candidate, Evaluation):
        groups = candidate.groups
    if groups is not None and len(groups) != ours.shape[1]:
        raise UserError(f"groups must name a cluster for each of the {ours.shape[1]} examples, got {len(groups)}")
    return ours, theirs, groups


def values_of(utility: Utility) -> np.ndarray:
    """The utility as (S, N).

    Raises:
        UserError: it has another shape, or a value is not finite.
    """
    try:
        values = np.asarray(utility.utility if isinstance(utility, Evaluation) else utility, dtype=float)
    except (ValueError, TypeError) as error:  # a text, or rows of unlike length
        raise UserError("utility must be a table of numbers, with as many examples for each seed") from error
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or values.size == 0:
        raise UserError(f"utility must have the shape (seeds, examples), got {values.shape}")
    if not np.isfinite(values).all():
        raise UserError(f"utility must be finite, got {int((~np.isfinite(values)).sum())} values that are not")
    return values
