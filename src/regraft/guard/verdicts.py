"""Did the transfer help? The gain with its interval and tests, and what they say in words."""

import math
from dataclasses import replace

import numpy as np

from regraft.core.errors import UserError
from regraft.core.gauge import Gauge
from regraft.core.records import Gain, Verdict
from regraft.guard._errors import ANY, Error, differing
from regraft.guard._tables import Groups, Utility, paired
from regraft.guard.corrections import mcnemar

_DIFFERENCE = (-1.0, 1.0)


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
    ours, theirs, groups = paired(candidate, baseline, groups)
    if not margin >= 0:
        raise UserError(f"margin must not be negative, got {margin}")
    difference, binary = ours - theirs, bool(np.isin([ours, theirs], (0, 1)).all())
    share = bool(min(ours.min(), theirs.min()) >= 0 and max(ours.max(), theirs.max()) <= 1)
    parts, mean = differing(ours, theirs, groups), float(difference.mean())
    error = parts.error
    found = error.interval(mean, level, _DIFFERENCE if share else ANY)
    detectable = error.detectable(level)
    gain = Gain(mean, found.low, found.high, level, min(detectable, 1.0) if share else detectable)
    facts = {"seeds": float(len(ours)), "examples": float(ours.shape[1]), "units": parts.units, "margin": margin}
    facts["gain_p"] = 2 * error.below(-abs(mean))
    facts["equivalence_p"] = max(error.below(-mean - margin), error.below(mean - margin))
    facts |= _tests(difference, binary, independent=facts["units"] == ours.shape[1])
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


def judge_model(candidate: Utility, baseline: Utility, groups: Groups = None, level: float = 0.95) -> Verdict:
    """Say whether *the first seed's model* is better than the baseline's: weights are fixed, only examples vary.

    `judge` asks whether the recipe is better, so training seeds vary there too. This asks about the two models at hand:
    its interval is mostly shorter, and says nothing of what training again would give. Arguments, errors and what is
    returned as there.
    """
    ours, theirs, groups = paired(candidate, baseline, groups)
    return judge(ours[:1], theirs[:1], groups, level)


def describe_model(verdict: Verdict, gauge: Gauge, against: str = "from scratch") -> str:
    """One sentence on what `judge_model` found; ``against`` as in `describe`."""
    gain, number, unit = verdict.gain, gauge.told, gauge.unit
    if verdict.tests["units"] <= 1:
        return "Whether this very model is better cannot be told: the holdout has only one independent example."
    low, high = sorted((gain.low, gain.high), key=abs) if verdict.outcome != "undecided" else (gain.low, gain.high)
    if verdict.outcome == "undecided":
        noun = f"the {'reduction of' if gauge.lower else 'gain in'} {gauge.what} against the model {against}"
        known = f"({100 * gain.level:g}% interval over examples {number(low)} to {number(high)} {unit})"
        return f"Whether this very model is better cannot be told: {noun} is {number(gain.mean)} {unit} {known}."
    way = "higher" if (gain.mean > 0) is not gauge.lower else "lower"
    known = f"({100 * gain.level:g}% interval over examples {number(abs(low))} to {number(abs(high))} {unit})"
    better = "better" if gain.mean > 0 else "worse"
    change = f"its {gauge.what} is {number(abs(gain.mean))} {unit} {way}"
    return f"This very model is {better} than the one {against}: {change} {known}."


def _tests(difference: np.ndarray, binary: bool, independent: bool) -> dict[str, float]:
    found, means = {}, difference.mean(1)
    if len(means) > 1 and means.std() > 0:  # equal differences say nothing about their spread
        error = Error(float(means.std(ddof=1)) / math.sqrt(len(means)), len(means) - 1)
        found["seed_t_p"] = 2 * error.below(-abs(float(means.mean())))
    fixed, broken = (difference > 0).sum(1), (difference < 0).sum(1)
    if binary:
        found |= {"fixed": float(fixed.mean()), "broken": float(broken.mean())}
    return found | ({"mcnemar_p": mcnemar(int(fixed[0]), int(broken[0]))} if binary and independent else {})
