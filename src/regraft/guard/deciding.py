"""A comparison asked the other way: how many more labels to judge by, or seeds, would decide it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regraft.core.gauge import Gauge
from regraft.guard._errors import Squares, differing
from regraft.guard._tables import Groups, Utility, paired

MOST_EXAMPLES, MOST_SEEDS = 10_000_000, 100
"""Beyond these a number is no plan."""


@dataclass(frozen=True)
class Needed:
    """What would find a gain of the size that was seen, in ``power`` of such trials.

    ``examples``: of the holdout in all, with the seeds at hand; ``seeds``: in all, with the examples at hand; ``both``:
    (seeds, examples) where neither alone would do, the fewest seeds for which there is a number of examples. None:
    no number up to 10,000,000 examples or 100 seeds would. ``seen``: the gain that this is about.
    """

    seen: float
    examples: int | None
    seeds: int | None
    both: tuple[int, int] | None = None
    power: float = 0.8


def needed(
    candidate: Utility, baseline: Utility, groups: Groups = None, level: float = 0.95, power: float = 0.8
) -> Needed:
    """How large a comparison must be to decide a gain as large as the one seen, by its variance components.

    The components of seeds, examples and remainder stay as estimated, their share in the error of the mean shrinks with
    the number of each, and with it grow the degrees of freedom; wanted is a detectable gain (see `judge`) that is no
    larger than the gain seen. That gain is itself an estimate: if the true one is half of it, four times as many are
    needed. With one seed nothing is known of luck in training, so ``seeds`` is None. New examples are taken to come in
    clusters as large as those at hand. Arguments and errors as `judge`; ``power`` in (0.5, 1).

    Reference: Cohen, Statistical power analysis for the behavioral sciences, 1988, section 2.4; with crossed parts.
    """
    ours, theirs, groups = paired(candidate, baseline, groups)
    parts, seen = differing(ours, theirs, groups), float((ours - theirs).mean())
    have, least = ours.shape[1], max(parts.seeds, 1)
    if parts.units <= 1 or seen == 0:
        return Needed(seen, None, None, None, power)

    def found(seeds: int, examples: int) -> bool:
        return parts.planned(seeds, examples / have).detectable(level, power) <= abs(seen)

    def examples_at(seeds: int) -> int | None:
        return _first(lambda n: found(seeds, n), have, MOST_EXAMPLES)

    examples = examples_at(least)
    if parts.seeds == 1:
        return Needed(seen, examples, None, None, power)
    seeds = _first(lambda s: found(s, have), least, MOST_SEEDS)
    both = None if examples or seeds else _both(examples_at, parts)
    return Needed(seen, examples, seeds, both, power)


def _both(examples_at: Callable[[int], int | None], parts: Squares) -> tuple[int, int] | None:
    """The fewest seeds with which examples decide; then twice as many, as that first number tends to be huge."""
    fewest = _first(lambda s: examples_at(s) is not None, parts.seeds, MOST_SEEDS)
    seeds = min(2 * fewest, MOST_SEEDS) if fewest else 0
    examples = examples_at(seeds) if fewest else None
    return (seeds, examples) if examples else None


def _first(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The smallest number of ``low`` to ``high`` for which ``holds``, which it then does for all above."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


def rounded(number: int) -> int:
    """Two digits that count, upwards: more would promise too much."""
    unit = 10 ** max(math.floor(math.log10(max(number, 1))) - 1, 0)
    return int(np.ceil(number / unit)) * unit


def describe_needed(need: Needed, gauge: Gauge, seeds: int, examples: int) -> str:
    """One sentence for an undecided comparison of ``seeds`` and ``examples``, or empty if nothing can be said."""
    size = f"a difference of {gauge.told(abs(need.seen))} {gauge.unit} in {gauge.what}"
    ways = []
    if need.examples:
        same = f" with the same {seeds} seeds" if seeds > 1 else ""
        ways.append(f"about {rounded(need.examples):,} holdout examples{same}")
    if need.seeds:
        ways.append(f"{need.seeds} seeds with the same {examples:,} examples")
    if need.both:
        ways.append(f"about {need.both[0]} seeds and {rounded(need.both[1]):,} holdout examples together")
    if not ways:
        return f"No trial of a size that can be planned would decide {size}." if need.seen else ""
    wanted = " or ".join(ways)
    return f"To decide {size}, if it is as large in truth, would take {wanted} ({100 * need.power:.0f}% power)."
