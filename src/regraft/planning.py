"""How many steps, folds and seeds a budget affords, from measured seconds per example."""

from collections.abc import Sequence
from dataclasses import dataclass

from regraft.racing import SHORT, SURVIVORS, Plan

LADDER = (300, 200, 150, 100, 70, 50, 35, 25, 15, 8)
"""Steps of a full descent. Few values, so that small changes of a measured speed change no plan."""


@dataclass(frozen=True)
class Costs:
    """Seconds per example of training and of inference (the slowest source), and how much there is of each.

    ``batch``: examples in a step; ``holdout``: examples to judge on; ``weights``: relative step costs of candidates.
    """

    train: float
    infer: float
    batch: int
    holdout: int
    weights: Sequence[float]

    def finish(self, steps: int, seeds: int) -> float:
        """Seconds for the winner and scratch over the seeds, judging included."""
        return 2 * seeds * (steps * self.batch * self.train + self.holdout * self.infer)

    def race(self, steps: int, folds: int) -> float:
        """Seconds for both rungs."""
        one = folds * self.batch * self.train
        through = sorted(self.weights, reverse=True)[: max(SURVIVORS, len(self.weights) // 3)]
        return one * steps * (SHORT * sum(self.weights) + sum(through))


def plan(costs: Costs, left: float, seeds: int, folds: int = 3) -> Plan:
    """The largest plan of which the finish takes at most half of the seconds ``left`` and the race what then remains.

    Seeds are given up last. If nothing fits, the smallest plan is kept: a run always ends with a verdict.
    """
    if left == float("inf"):
        return Plan(LADDER[0], folds, seeds)
    for count in range(seeds, 0, -1):
        for steps in LADDER:
            for k in (folds, 2):
                finish, race = costs.finish(steps, count), costs.race(steps, k)
                if finish <= 0.5 * left and finish + race <= 0.85 * left:
                    cut = f"{seeds} seeds were asked for, the budget affords {count}" if count < seeds else ""
                    return Plan(steps, k, count, note=cut)
    return Plan(
        LADDER[-1], 2, 1, False, "the budget is too small for a race; the most promising source was taken untested"
    )
