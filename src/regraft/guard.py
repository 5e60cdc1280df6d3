"""Did the transfer help? Intervals and tests on per-example utilities; no torch, no training.

A utility u[s, i] of seed s and example i is read as mean + seed + example + remainder (crossed random effects), as
another training run or another holdout would have given other numbers. ``benchmarks/guard_coverage.py`` has the
measured coverage of the intervals.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtr, stdtr, stdtrit

from regraft.core.errors import UserError
from regraft.core.gauge import Gauge
from regraft.core.records import Evaluation, Gain, Interval, Verdict

Utility = Evaluation | np.ndarray | Sequence[Sequence[float]] | Sequence[float]
"""Utility per seed and example, (S, N); (N,) stands for one seed."""
Groups = Sequence[str] | None
"""Cluster of each example, (N,): examples of a cluster are not independent. None: those of the Evaluation, if any."""
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From outputs (N, ...), targets (N,) and weights (R, N), one row a resample, to values (R,)."""
_ANY, _SHARE, _DIFFERENCE = (-math.inf, math.inf), (0.0, 1.0), (-1.0, 1.0)


def judge(
    candidate: Utility, baseline: Utility, groups: Groups = None, level: float = 0.95, margin: float = 0.01
) -> Verdict:
    """Say whether ``candidate`` is better than ``baseline``, as far as seeds and examples can tell.

    Args:
        candidate: utility (S, N), higher is better, or an Evaluation.
        baseline: the same for the other model, of the same examples in the same order.
        groups: cluster of each example (N,), or None.
        level: confidence of the interval, in (0, 1).
        margin: a difference smaller than this does not matter (0 or more, in units of utility).

    Returns:
        ``outcome``: ``helps`` if the whole interval of the gain is above 0, ``hurts`` if below, else ``undecided``;
        ``tests``: ``seeds``, ``examples``, ``units`` (effective number of clusters), ``margin``; ``gain_p``, of gain 0;
        ``equivalence_p`` (two one-sided tests, Schuirmann 1987); ``seed_t_p`` (paired t test) where seeds differ; of
        utilities 0 or 1 ``fixed``, ``broken`` (means over seeds), without clusters ``mcnemar_p`` (first seed).

    Raises:
        UserError: shapes, examples or groups do not fit, or a value is not finite or not in its range.
    """
    ours, theirs, groups = _paired(candidate, baseline, groups)
    if not margin >= 0:
        raise UserError(f"margin must not be negative, got {margin}")
    difference, binary = ours - theirs, bool(np.isin([ours, theirs], (0, 1)).all())
    share = bool(min(ours.min(), theirs.min()) >= 0 and max(ours.max(), theirs.max()) <= 1)
    (table, count), (other, _) = _units(ours, groups), _units(theirs, groups)
    coarse, mean = min(_step(ours), _step(theirs)) / ours.shape[1], float(difference.mean())
    error = _error([table, other], count, coarse)
    found = error.interval(mean, level, _DIFFERENCE if share else _ANY)
    detectable = error.size * float(stdtrit(error.freedom, (1 + level) / 2) + stdtrit(error.freedom, 0.8))
    gain = Gain(mean, found.low, found.high, level, min(detectable, 1.0) if share else detectable)
    facts = {"seeds": float(len(ours)), "examples": float(ours.shape[1]), "units": count, "margin": margin}
    facts["gain_p"] = 2 * error.below(-abs(mean))
    facts["equivalence_p"] = max(error.below(-mean - margin), error.below(mean - margin))
    facts |= _tests(difference, binary, independent=count == ours.shape[1])
    verdict = Verdict("helps" if gain.low > 0 else "hurts" if gain.high < 0 else "undecided", gain, "", facts)
    return replace(verdict, sentence=describe(verdict, "accuracy" if binary else "utility", percent=share))


def describe(
    verdict: Verdict, what: str | Gauge = "accuracy", against: str = "from scratch", percent: bool = True
) -> str:
    """One sentence for a reader who knows no statistics.

    ``what``: name of the utility, or a task's gauge, which also says the unit. ``against``: the baseline, as it
    follows "higher than" and "a model". ``percent``: write differences in points (hundredths), not plain numbers.
    """
    gain, facts = verdict.gain, verdict.tests
    said = what if isinstance(what, Gauge) else Gauge(what, *(("points", 100.0, 1) if percent else ("", 1.0, 2)))
    unit, what, number = f" {said.unit}".rstrip(), said.what, said.told
    luck = "; only one seed was run, so luck in training was not measured" if facts["seeds"] == 1 else ""
    if facts["units"] <= 1:
        return f"Cannot tell: the holdout has only one independent example{luck}."
    decided = verdict.outcome != "undecided"
    low, high = sorted((abs(gain.low), abs(gain.high))) if decided else (gain.low, gain.high)
    known = f"({100 * gain.level:g}% interval {number(low)} to {number(high)}{unit}{luck})"
    if decided:
        way = "higher" if (gain.mean > 0) is not said.lower else "lower"
        return f"The transfer {verdict.outcome}: {what} is {number(abs(gain.mean))}{unit} {way} than {against} {known}."
    noun, change = ("reduction", f"reduction of {what} against") if said.lower else ("gain", f"gain in {what} over")
    size = f"the {change} a model {against} is {number(gain.mean)}{unit} {known}"
    if max(-low, high) < facts["margin"]:
        return f"No difference that matters: {size}, within {number(facts['margin'])}{unit} either way."
    return (
        f"Cannot tell: {size}; the smallest {noun} this comparison could have seen is {number(gain.detectable)}{unit}."
    )


def interval(utility: Utility, groups: Groups = None, level: float = 0.95) -> Interval:
    """Mean utility (S, N) of one model with its interval over seeds and examples; arguments and errors as ``judge``."""
    values, _, groups = _paired(utility, utility, groups)
    table, count = _units(values, groups)
    found = _error([table], count, _step(values) / values.shape[1]).interval(float(values.mean()), level)
    return found.within(*_SHARE, count) if values.min() >= 0 and values.max() <= 1 else found


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
    codes, count = _clusters(evaluation.groups, len(evaluation.targets))
    weights = np.vstack([np.ones(len(codes)), _resamples(int(codes.max()) + 1, repeats, seed)[:, codes]])
    table = np.stack([metric(one, evaluation.targets, weights) for one in evaluation.outputs])
    if not np.isfinite(table).all():
        raise UserError("the metric is not a finite number on some resample of the examples")
    plain, again, seeds = table[:, 0], table[:, 1:], len(table)
    rest = again - again.mean(0) - again.mean(1, keepdims=True) + again.mean()
    # The variance of a resample lacks the factor n / (n - 1).
    scale = repeats / (repeats - 1) * (codes.max() + 1) / max(codes.max(), 1)
    parts = (scale * float(again.mean(0).var()), scale * float((rest**2).mean()) / max(seeds - 1, 1))
    error = _combine([float(plain.var()) / max(seeds - 1, 1)], *parts, seeds=seeds, units=count)
    return error.interval(float(plain.mean()), level)


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
    values = _values([differences])[0]
    if len(values) < 2 or not 0 < test_share < 1:
        raise UserError(f"needs two differences and a share in (0, 1), got {len(values)} and {test_share}")
    spread = values.var(ddof=1) * (1 / len(values) + test_share / (1 - test_share))
    error, mean = _Error(math.sqrt(spread), len(values) - 1), float(values.mean())
    return error.interval(mean, level), 2 * error.below(-abs(mean))


@dataclass(frozen=True)
class _Error:
    """Standard error of an estimate, and its degrees of freedom."""

    size: float
    freedom: float

    def interval(self, mean: float, level: float, bounds: tuple[float, float] = _ANY) -> Interval:
        if not 0 < level < 1:
            raise UserError(f"level must be between 0 and 1, got {level}")
        half = self.size * float(stdtrit(self.freedom, (1 + level) / 2))
        return Interval(mean, max(mean - half, bounds[0]), min(mean + half, bounds[1]), level)

    def below(self, value: float) -> float:
        """Probability that pure noise is below ``value``."""
        return float(stdtr(self.freedom, value / self.size)) if self.size else (1 + float(np.sign(value))) / 2


def _error(tables: Sequence[np.ndarray], count: float, coarse: float) -> _Error:
    """Error of the mean of a model's table of units (S, G), or of a difference of two, from mean squares over S G.

    Models share examples, not luck: the same seed does not make two networks lucky together. So each has a seed part.
    """
    units = tables[0] - tables[1] if len(tables) > 1 else tables[0]
    seeds, total = units.shape
    by_seed, by_unit, mean = units.mean(1, keepdims=True), units.mean(0), units.mean()
    seed = [float(table.mean(1).var()) / max(seeds - 1, 1) for table in tables]
    unit = by_unit.var() / max(total - 1, 1)
    rest = (units - by_seed - by_unit + mean).var() / (max(seeds - 1, 1) * max(total - 1, 1))
    # Right or wrong on few examples: a spread of zero is no proof. In the spirit of Bonett and Price (2012) for paired
    # proportions, count half an example more fixed and half a one more broken (in the spread alone, the mean stays the
    # mean): without it 20 examples of which a tenth changed are covered 0.8 to 0.9 of the time, with a whole one each
    # the intervals are a fifth wider than they need to be.
    return _combine(seed, float(unit) + coarse**2, float(rest), seeds, count)


def _combine(each: Sequence[float], unit: float, rest: float, seeds: int, units: float) -> _Error:
    """Standard error from mean squares over S G: sqrt(seed + unit - rest), degrees of freedom of Satterthwaite (1946).

    A negative variance component counts as none. The degrees of freedom keep all mean squares even then, as they were
    estimated all the same; without that, coverage with 3 seeds falls below 0.9. The mean square of few seeds is
    often too small, which shortens the interval twice: a small error, many degrees of freedom. So it counts (S + 1) /
    (S - 1) times in those (our addition; with it 2 seeds cover 0.95 instead of 0.92 where one model has all the luck).
    """
    if units <= 1:
        return _Error(math.inf, 1.0)
    if seeds == 1:
        return _Error(math.sqrt(unit), units - 1)
    variance = max(sum(each) - rest, 0.0) + max(unit - rest, 0.0) + rest
    extra = 2 / (seeds - 1)
    doubt = sum(((1 + extra) * part) ** 2 for part in each) + (unit**2 * (seeds - 1) + rest**2) / (units - 1)
    freedom = (variance + extra * sum(each)) ** 2 * (seeds - 1) / doubt if doubt else 0.0
    return _Error(math.sqrt(variance), max(freedom, min(seeds, units) - 1))


def _units(values: np.ndarray, groups: Groups) -> tuple[np.ndarray, float]:
    """What is drawn independently, (S, G) with the row means of ``values`` (S, N), and the effective number of it.

    A cluster's entry is the seed's mean plus the cluster's summed deviations from it: the linearised ratio estimator,
    for clusters of unequal size.
    """
    if groups is None:
        return values, float(values.shape[1])
    codes, count = _clusters(groups, values.shape[1])
    mean = values.mean(1, keepdims=True)
    sums = np.stack([np.bincount(codes, row) for row in values - mean])
    return mean + sums * (sums.shape[1] / values.shape[1]), count


def _clusters(groups: Groups, examples: int) -> tuple[np.ndarray, float]:
    """Cluster numbers (N,), and how many equal clusters say as much (after Carter, Schnepel and Steigerwald 2017)."""
    codes = np.arange(examples) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    return codes, float(examples**2 / (np.bincount(codes).astype(float) ** 2).sum())


def _resamples(total: int, repeats: int, seed: int) -> np.ndarray:
    """How often each of ``total`` things is drawn in each resample, (R, total)."""
    draws = np.random.default_rng(seed).integers(0, total, (repeats, total)) + total * np.arange(repeats)[:, None]
    return np.bincount(draws.ravel(), minlength=repeats * total).reshape(repeats, total)


def _tests(difference: np.ndarray, binary: bool, independent: bool) -> dict[str, float]:
    found, means = {}, difference.mean(1)
    if len(means) > 1 and means.std() > 0:  # equal differences say nothing about their spread
        error = _Error(float(means.std(ddof=1)) / math.sqrt(len(means)), len(means) - 1)
        found["seed_t_p"] = 2 * error.below(-abs(float(means.mean())))
    fixed, broken = (difference > 0).sum(1), (difference < 0).sum(1)
    if binary:
        found |= {"fixed": float(fixed.mean()), "broken": float(broken.mean())}
    return found | ({"mcnemar_p": mcnemar(int(fixed[0]), int(broken[0]))} if binary and independent else {})


def _step(values: np.ndarray) -> float:
    """The jump of a utility that has two values (right, wrong), else 0."""
    return 1.0 if np.isin(values, (0, 1)).all() else float(np.ptp(values)) if len(np.unique(values)) == 2 else 0.0


def _paired(candidate: Utility, baseline: Utility, groups: Groups) -> tuple[np.ndarray, np.ndarray, Groups]:
    ours, theirs = _values(candidate), _values(baseline)
    if ours.shape != theirs.shape:
        raise UserError(f"the two utilities must have the same seeds and examples, got {ours.shape} and {theirs.shape}")
    if isinstance(candidate, Evaluation) and isinstance(baseline, Evaluation) and candidate.ids != baseline.ids:
        raise UserError("the two evaluations are of different examples, or not in the same order")
    if groups is None and isinstance(candidate, Evaluation):
        groups = candidate.groups
    if groups is not None and len(groups) != ours.shape[1]:
        raise UserError(f"groups must name a cluster for each of the {ours.shape[1]} examples, got {len(groups)}")
    return ours, theirs, groups


def _values(utility: Utility) -> np.ndarray:
    values = np.asarray(utility.utility if isinstance(utility, Evaluation) else utility, dtype=float)
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or values.size == 0:
        raise UserError(f"utility must have the shape (seeds, examples), got {values.shape}")
    if not np.isfinite(values).all():
        raise UserError(f"utility must be finite, got {int((~np.isfinite(values)).sum())} values that are not")
    return values
