"""What was measured, as plain values and NumPy arrays: torch ends here."""

from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np

PASSED_OVER = "other candidates were raced in its place"
"""Why some candidates of a race have no result."""


@dataclass(frozen=True)
class Evaluation:
    """One model recipe on one holdout, over seeds, in the holdout's order.

    ``outputs`` (S, N, K): what the task makes of the model (probabilities, or a number), one slice a seed.
    ``utility`` (S, N): the task's utility per example, higher is better (for classification: 1 if right, else 0).
    ``targets`` (N,) or (N, Z). ``ids`` (N,): stable names of the examples. ``groups`` (N,): their clusters, or None.
    """

    outputs: np.ndarray
    utility: np.ndarray
    targets: np.ndarray
    ids: tuple[str, ...]
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    mean: float
    low: float
    high: float
    level: float = 0.95

    def within(self, least: float, most: float, count: float) -> "Interval":
        """The interval cut to the range of what is estimated, from ``count`` independent examples.

        A share of 0 or 1 was found in every resample, which is no proof that it always would be: the interval is then
        at least that of Wilson for none or all of ``count`` examples, which ends z^2 / (count + z^2) from there. The
        same holds of F1 and its like, which are 1 where every example is right.
        Reference: Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
        """
        low, high = max(self.low, least), min(self.high, most)
        if (least, most) == (0.0, 1.0):
            squared = NormalDist().inv_cdf((1 + self.level) / 2) ** 2
            reach = squared / (count + squared)
            low = min(low, 1 - reach) if self.mean >= 1 else low
            high = max(high, reach) if self.mean <= 0 else high
        return replace(self, low=low, high=high)


@dataclass(frozen=True)
class Gain(Interval):
    """Utility of the transfer minus that of scratch. ``detectable``: the smallest gain that 80% of such trials find."""

    detectable: float = float("nan")


@dataclass(frozen=True)
class Verdict:
    """The outcome of a comparison.

    ``outcome``: ``helps``, ``hurts`` or ``undecided``. ``sentence``: the outcome in words.
    ``tests``: the named p-values and facts behind it, for the report.
    """

    outcome: str
    gain: Gain
    sentence: str
    tests: dict[str, float] = field(default_factory=dict)
