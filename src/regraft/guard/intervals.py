"""Intervals of one model's figures: of a mean over examples, and of metrics that are none."""

from collections.abc import Callable

import numpy as np

from regraft.core.errors import UserError
from regraft.core.records import Evaluation, Interval
from regraft.guard._errors import combine, squares
from regraft.guard._tables import Groups, Utility, clusters, paired, resamples, step, units_of

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From outputs (N, ...), targets (N,) and weights (R, N), one row a resample, to values (R,)."""


def interval(utility: Utility, groups: Groups = None, level: float = 0.95) -> Interval:
    """Mean utility (S, N) of one model with its interval over seeds and examples; arguments and errors as ``judge``."""
    values, _, groups = paired(utility, utility, groups)
    table, count = units_of(values, groups)
    found = squares([table], count, step(values) / values.shape[1]).error.interval(float(values.mean()), level)
    return found.within(0.0, 1.0, count) if values.min() >= 0 and values.max() <= 1 else found


def bootstrap(
    metric: Metric, evaluation: Evaluation, level: float = 0.95, repeats: int = 500, seed: int = 0
) -> Interval:
    """Interval of a metric that is not a mean over examples (macro-F1, calibration error), averaged over seeds.

    Examples (clusters, if any) are resampled, alike for every seed. The spread of the resamples gives the example and
    remainder parts of the variance, the spread of the plain values the seed part; they combine as in ``judge``, not by
    percentiles: resampling biases such metrics (a calibration error grows), and resampling 3 seeds says a third too
    little about their variance (Owen 2007, "The pigeonhole bootstrap", treats crossed factors).

    Args:
        metric: see ``Metric``; a weight is how often the example was drawn.
        evaluation: one model's.
        level: confidence, in (0, 1).
        repeats: number of resamples R, at least 2.
        seed: of the resamples.

    Raises:
        UserError: repeats is below 2, or the metric is not finite on a resample.
    """
    if repeats < 2:
        raise UserError(f"repeats must be 2 or more, got {repeats}")
    codes, count = clusters(evaluation.groups, len(evaluation.targets))
    weights = np.vstack([np.ones(len(codes)), resamples(int(codes.max()) + 1, repeats, seed)[:, codes]])
    table = np.stack([metric(one, evaluation.targets, weights) for one in evaluation.outputs])
    if not np.isfinite(table).all():
        raise UserError("the metric is not a finite number on some resample of the examples")
    plain, again, seeds = table[:, 0], table[:, 1:], len(table)
    rest = again - again.mean(0) - again.mean(1, keepdims=True) + again.mean()
    # The variance of a resample lacks the factor n / (n - 1).
    scale = repeats / (repeats - 1) * (codes.max() + 1) / max(codes.max(), 1)
    parts = (scale * float(again.mean(0).var()), scale * float((rest**2).mean()) / max(seeds - 1, 1))
    error = combine([float(plain.var()) / max(seeds - 1, 1)], *parts, seeds=seeds, units=count)
    return error.interval(float(plain.mean()), level)
