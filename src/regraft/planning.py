"""How many steps, folds and seeds a budget affords, from measured seconds per example."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from regraft.candidates import Candidate, Entrants, Plan
from regraft.core import catalog
from regraft.course import MOST, SHORT, cost
from regraft.racing import leads, needed
from regraft.sources import Source

LADDER = (300, 200, 150, 120, 100, 85, 70, 60, 50)
"""Steps of a full descent. Few values, so that small changes of a measured speed change no plan."""
SCANT = (35, 25, 15, 8)
"""Steps when even one repetition of the least useful number is too long: there is no race then."""

EVERY = "every method"
"""Stands for the methods of a source that is left out as a whole."""


@dataclass(frozen=True)
class Costs:
    """Seconds per example of training and of inference (the slowest source), and how much there is of each.

    ``scratch``: seconds per example of training the cheapest baseline. ``batch``: examples in a step; ``holdout``:
    examples to judge on; ``ahead`` and ``through``: relative step costs of who descends in the first and second rung.
    """

    train: float
    infer: float
    scratch: float
    batch: int
    holdout: int
    ahead: Sequence[float]
    through: Sequence[float]

    def finish(self, steps: int, seeds: int) -> float:
        """Seconds for the winner and scratch over the seeds, judging included."""
        ours = steps * self.batch * self.train
        return seeds * (ours + min(ours, MOST * self.batch * self.scratch) + 1.3 * self.holdout * self.infer)

    def race(self, steps: int) -> float:
        """Seconds for both rungs on one fold, a baseline included; further folds are a gain, if there is time."""
        return self.batch * self.train * steps * (SHORT * (1 + sum(self.ahead)) + sum(self.through))


def costs_of(entrants: Entrants, candidates: Sequence[Candidate], sizes: tuple[int, int]) -> Costs:
    """What the ``candidates`` of the race cost. ``sizes``: examples to learn from, and to judge on."""
    first = leads(candidates)
    each = [needed([c for c in candidates if c.source == lead.source], entrants.methods) for lead in first]
    weights = [list(map(cost, of)) for of in (first, *each)]
    through = [*max(weights[1:], key=sum, default=[]), *weights[0][1:2]]
    slow, fast = (max(s.cost[i] for s in entrants.sources) for i in (0, 1))
    least = min(s.cost[0] for s in entrants.baselines)
    return Costs(slow, fast, least, min(32, sizes[0]), sizes[1], weights[0], through)


def too_slow(
    sources: Sequence[Source], asked: Sequence[str], sizes: tuple[int, int], left: float
) -> list[dict[str, str]]:
    """Of the ``sources`` those that cannot end within the seconds ``left``, and why; never the quickest.

    What each needs is the shortest descent, or features of all that is learned from where a method that is ``asked``
    for makes do with them, and judging. ``sizes``: see `costs_of`.
    """
    train, holdout = sizes
    descent = bool(asked) and all(catalog.find("methods", name).cost for name in asked)
    needs = {}
    for source in sources:
        step, look = source.cost
        needs[source.uri] = (SCANT[-1] * min(32, train) * step if descent else train * look) + 1.3 * holdout * look
    late = [uri for uri in needs if needs[uri] > max(left, min(needs.values()))]
    has = f"and the budget has {max(0.0, left):.0f} s left"
    reason = {uri: f"learning and judging take {needs[uri]:.0f} s at the least, {has}" for uri in late}
    return [{"source": uri, "method": EVERY, "reason": reason[uri]} for uri in late]


def plan(costs: Costs, left: float, seeds: int, folds: int = 3) -> Plan:
    """The largest plan that fits into the seconds ``left``.

    What gives way, in this order: steps down to 50; then the length of the race, which runs the cheap candidates
    first; then seeds; then steps below 50, without a race of descents. A run always ends with a verdict.
    """
    if left == float("inf"):
        return Plan(LADDER[0], folds, seeds)
    for steps in LADDER:
        finish = costs.finish(steps, seeds)
        if finish <= 0.6 * left and finish + costs.race(steps) <= 0.85 * left:
            return Plan(steps, folds, seeds, reserve=finish)
    for count in range(seeds, 0, -1):
        if costs.finish(LADDER[-1], count) <= 0.7 * left:
            note = f"the budget is too small for the whole race{_cut(seeds, count)}"
            return Plan(LADDER[-1], folds, count, note=note, reserve=costs.finish(LADDER[-1], count))
    steps = next((s for s in SCANT if costs.finish(s, 1) <= 0.7 * left), SCANT[-1])
    note = f"the budget is too small: only what needs no descent was raced{_cut(seeds, 1)}"
    return Plan(steps, folds, 1, False, note)


def more_seeds(plan: Plan, seeds: int, affords: Callable[[int], bool]) -> Plan:
    """The plan with more seeds, up to the ``seeds`` that were asked for, where the finish turned out to be cheaper.

    The plan was made for the slowest candidate. If one wins that needs no descent, most of the budget would be left.
    ``affords``: whether there is time for that many.
    """
    count = max((n for n in range(plan.seeds + 1, seeds + 1) if affords(n)), default=plan.seeds)
    return replace(plan, seeds=count, note=plan.note.removesuffix(_cut(seeds, plan.seeds)) + _cut(seeds, count))


def _cut(asked: int, count: int) -> str:
    return f"; {asked} seeds were asked for, it affords {count}" if count < asked else ""


def fixed(costs: Costs, steps: int, seeds: int, folds: int = 3) -> Plan:
    """The plan with ``steps`` that were asked for: the same on every machine, whatever the time it takes."""
    return Plan(steps, folds, seeds, reserve=costs.finish(steps, seeds), timed=False)
