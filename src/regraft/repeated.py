"""The verdict of repeated cross-validation: every example is judged once a repeat, by models that never saw it.

The folds of one data set share training examples, so what is found in them is correlated: intervals that take
examples for independent are too short (Bates, Hastie and Tibshirani, Cross-validation: what does it estimate and how
well does it do it?, JASA 2024). ``benchmarks/small_data.py`` has the measured coverage of the one here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from regraft.core.errors import UserError
from regraft.core.records import Gain, Interval, Verdict


@dataclass(frozen=True)
class Outer:
    """How N examples were divided: into ``folds``, ``repeats`` times; ``groups`` (N,) names their clusters, if any."""

    folds: int
    repeats: int = 1
    groups: Sequence[str] | None = None

    @property
    def said(self) -> str:
        """By whom an example was judged, in words."""
        once = "once" if self.repeats == 1 else f"{self.repeats} times"
        return f"each example {once}, by models for whose choice and training it was not there"


@dataclass(frozen=True)
class _Spread:
    """Standard error ``size`` of a mean, with its degrees of freedom."""

    mean: float
    size: float
    freedom: float

    def interval(self, level: float, share: float) -> tuple[float, float]:
        """The ends at ``level``, cut to plus and minus ``share``."""
        half = self.size * float(stdtrit(self.freedom, (1 + level) / 2))
        return max(self.mean - half, -share), min(self.mean + half, share)

    def below(self, value: float) -> float:
        """Probability that pure noise is below ``value``."""
        return float(stdtr(self.freedom, value / self.size)) if self.size else (1 + float(np.sign(value))) / 2


def judge(ours: np.ndarray, theirs: np.ndarray, outer: Outer, level: float = 0.95, margin: float = 0.01) -> Verdict:
    """Say whether the procedure behind ``ours`` is better than that behind ``theirs``; see `regraft.guard.judge`.

    The error is that of Nadeau and Bengio (Inference for the generalization error, Machine Learning 2003): the mean of
    k = folds times repeats differences has the variance (1 / k + n_test / n_train) s^2. Where they estimate s^2, the
    variance of one fold's mean, from the few folds, it comes here from the examples (or clusters), of which there are
    more: s^2 is their variance over how many a fold has, and there are as many degrees of freedom as clusters less
    one. Clusters of unequal size enter by the linearised ratio, and, as in the guard, right or wrong on few examples is
    no proof that nothing varies: half an example more counts as fixed and half a one as broken, in the spread alone.

    Args:
        ours: utility (R, S, N) of repeats, seeds and examples, higher is better.
        theirs: the same of the baseline, of the same examples.
        outer: how these were divided.
        level: confidence, in (0, 1).
        margin: a difference smaller than this does not matter.

    Raises:
        UserError: the shapes differ, or a value is not finite.
    """
    difference = _checked(ours, outer) - _checked(theirs, outer)
    binary = bool(np.isin([ours, theirs], (0, 1)).all())
    share = 1.0 if min(ours.min(), theirs.min()) >= 0 and max(ours.max(), theirs.max()) <= 1 else np.inf
    spread = _spread(difference, outer, binary)
    low, high = spread.interval(level, share)
    seen = spread.size * float(stdtrit(spread.freedom, (1 + level) / 2) + stdtrit(spread.freedom, 0.8))
    gain = Gain(spread.mean, low, high, level, min(seen, share))
    repeats, seeds, examples = difference.shape
    facts = {"seeds": float(seeds), "examples": float(examples), "units": spread.freedom + 1, "margin": margin}
    facts |= {"folds": float(outer.folds), "repeats": float(repeats), "gain_p": 2 * spread.below(-abs(spread.mean))}
    facts["equivalence_p"] = max(spread.below(-spread.mean - margin), spread.below(spread.mean - margin))
    if binary:
        each = difference.reshape(-1, examples)
        facts |= {"fixed": float((each > 0).sum(1).mean()), "broken": float((each < 0).sum(1).mean())}
    return Verdict("helps" if low > 0 else "hurts" if high < 0 else "undecided", gain, "", facts)


def interval(utility: np.ndarray, outer: Outer, level: float = 0.95) -> Interval:
    """Mean utility (R, S, N) of one procedure with its interval; arguments and errors as in `judge`."""
    values = _checked(utility, outer)
    binary = bool(np.isin(values, (0, 1)).all())
    spread = _spread(values, outer, binary)
    found = Interval(spread.mean, *spread.interval(level, np.inf), level)
    return found.within(0.0, 1.0, spread.freedom + 1) if values.min() >= 0 and values.max() <= 1 else found


def _checked(utility: np.ndarray, outer: Outer) -> np.ndarray:
    if utility.ndim != 3 or not utility.size or not np.isfinite(utility).all() or outer.folds < 2:
        raise UserError(f"utility must be finite, (repeats, seeds, examples), of two folds or more: {utility.shape}")
    if outer.groups is not None and len(outer.groups) != utility.shape[2]:
        raise UserError(f"groups must name a cluster for each of the {utility.shape[2]} examples")
    return utility


def _spread(values: np.ndarray, outer: Outer, binary: bool) -> _Spread:
    """Of the mean of values (R, S, N); ``binary``: they are right or wrong."""
    repeats, _, examples = values.shape
    names = range(examples) if outer.groups is None else outer.groups
    codes, mean = np.unique(names, return_inverse=True)[1], float(values.mean())
    count = int(codes.max()) + 1
    if count == 1:
        return _Spread(mean, np.inf, 1.0)
    sums = np.stack([np.bincount(codes, row - row.mean()) for row in values.mean(1)]) * count / examples
    one = float((sums**2).sum(1).mean()) / (count - 1) / count  # of the mean of one repeat, if nothing were shared
    corrected = one * (1 / repeats + outer.folds / (outer.folds - 1))
    effective = examples**2 / float((np.bincount(codes).astype(float) ** 2).sum())
    return _Spread(mean, float(np.sqrt(corrected + binary / examples**2)), effective - 1)
