"""The race: sources x methods, by cross-validated utility on the labelled target, the weak dropped early."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from regraft.bench import Bench
from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError, UserError
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.data.splits import Split, folds
from regraft.evaluation import predict
from regraft.methods._base import Method, Need
from regraft.sources import Source
from regraft.training import Engine, run

SHORT = 0.3
"""Share of the steps in the first rung."""
SURVIVORS = 3
"""Candidates that reach the second rung, at least; a third of all if that is more."""


MOST = 600
"""Steps of a baseline in a cheap network, at most."""
FIRST = 0.6
"""Share of the race's time after which the first rung starts nothing new."""


@dataclass(frozen=True)
class Plan:
    """What the budget affords: steps of a full descent, folds and seeds; whether to ``race``; what was cut.

    ``reserve``: seconds that the finish is expected to take, which the race leaves it.
    """

    steps: int
    folds: int
    seeds: int
    race: bool = True
    note: str = ""
    reserve: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """One source with one method, and what the race found.

    ``score``: cross-validated utility; ``error``: its standard error over examples; ``criterion``: cross-validated
    `Task.criterion`, also ``by_example``; ``expected``: the same, drawn towards what its source and its method do
    elsewhere: this decides. ``outcome``: ``waiting``, ``kept`` (went to the last rung), ``dropped``, ``baseline``,
    ``failed`` or ``skipped``, with the ``reason``.
    """

    source: str
    method: str
    score: float | None = None
    error: float | None = None
    criterion: float = 0.0
    expected: float = 0.0
    by_example: tuple[float, ...] = ()
    seconds: float = 0.0
    rung: int = 0
    outcome: str = "waiting"
    reason: str = ""


@dataclass(frozen=True)
class Entrants:
    """What may race: sources, unlabelled target examples by source, the methods asked for (none: all), baselines."""

    sources: Sequence[Source]
    unlabeled: Mapping[str, Dataset]
    methods: tuple[str, ...] = ()
    baselines: Sequence[Source] = ()

    def line_up(self) -> tuple[list[Candidate], list[dict[str, str]]]:
        """The candidates, cheap ones first within a source, and why each other pair is out.

        Raises:
            UserError: a method that does not exist, or none that fits.
        """
        chosen = [n for n in self.methods or catalog.names("methods") if n != "scratch"]
        chosen.sort(key=lambda name: catalog.find("methods", name).cost)
        ready, out = [], []
        for source in self.sources:
            for name in chosen:
                lacking = self._lacking(name, source)
                if lacking:
                    out.append({"source": source.uri, "method": name, "reason": f"there is no {lacking}"})
                else:
                    ready.append(Candidate(source.uri, name))
        if not ready:
            reasons = "; ".join(sorted({f"{o['method']}: {o['reason']}" for o in out})) or "scratch is no transfer"
            raise UserError(f"no method fits what is at hand ({reasons}); add a --source or leave --method out")
        return ready, out

    def _lacking(self, name: str, source: Source) -> str:
        needs = catalog.find("methods", name).needs
        if Need.SOURCE_DATA in needs and source.domain is None:
            return f"{Need.SOURCE_DATA.value}: this source is a model only"
        if Need.UNLABELED in needs and source.uri not in self.unlabeled:
            return f"set of {Need.UNLABELED.value}: give --unlabeled DIR"
        return ""


class Race:
    """Runs candidates over the rungs. Every result is in the journal, so a race that was interrupted goes on."""

    def __init__(
        self, entrants: Entrants, train: Mapping[str, Dataset], plan: Plan, place: Mapping[str, int], bench: Bench
    ) -> None:
        self.entrants, self.train, self.plan, self.place, self.bench = entrants, train, plan, place, bench
        self.sources = {source.uri: source for source in (*entrants.sources, *entrants.baselines)}
        data = next(iter(train.values()))
        self.splits: list[Split] = folds(data.labels, plan.folds, derive(bench.seed, "folds"), data.examples.groups)

    def run(self, candidates: Sequence[Candidate], deadline: float) -> list[Candidate]:
        """The candidates with their results, best first. ``deadline``: seconds on the clock after which none starts.

        A candidate for which the second rung had no time keeps its score of the first. Baselines run in the first only.
        """
        if not self.splits:
            reason = "one label a class: nothing to validate on"
            return [replace(c, outcome="skipped", reason=reason) for c in candidates]
        begun = self.bench.clock.spent
        first = self._rung(candidates, 0, begun + FIRST * (deadline - begun))
        going = [c for c in first if c.outcome == "waiting" and c.method != "scratch"]
        through = self.tie_broken(going)[: max(SURVIVORS, len(going) // 3)]
        second = self._rung([c for c in through if self._descends(c)], 1, deadline)
        done = {(c.source, c.method): c for c in second}
        result = [done.get((c.source, c.method), c) for c in first]
        passed = {(c.source, c.method) for c in through}
        ended = [replace(c, outcome=_outcome(c, passed)) for c in drawn_together(result)]
        return sorted(ended, key=_order)

    def tie_broken(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates, best first; those within one standard error of the best go by the rank of their source.

        The error is that of the paired difference, example by example.
        """
        ordered = sorted(candidates, key=_order)
        if not ordered or ordered[0].score is None:
            return ordered
        best = np.array(ordered[0].by_example)
        tied = []
        for c in ordered:
            difference = best - np.array(c.by_example) if c.by_example else np.array([np.inf])
            error = difference.std() / len(difference) ** 0.5 if c.by_example else 0.0
            if ordered[0].expected - c.expected <= error:
                tied.append(c)
        tied.sort(key=lambda c: self.place[c.source])
        return tied + [c for c in ordered if c not in tied]

    def seconds(self, candidate: Candidate, times: int) -> float:
        """What ``times`` full descents of a candidate are expected to take."""
        data, slow = self.train[candidate.source], self.sources[candidate.source].cost[0]
        cost = catalog.find("methods", candidate.method).cost
        return float(times * self.steps(candidate) * min(32, len(data)) * slow * cost)

    def steps(self, candidate: Candidate, short: bool = False) -> int:
        """Steps of a full or a short descent. A baseline in a cheaper network gets more, for about the same time."""
        full = self.plan.steps
        source = self.sources[candidate.source]
        if candidate.method == "scratch":
            slowest = max(self.entrants.sources, key=lambda s: s.cost[0])
            if slowest.backbone != source.backbone:
                ratio = min(slowest.cost[0] / source.cost[0], MOST / full)
                full *= 2 ** int(np.log2(max(1.0, ratio)))  # powers of two: small changes of a speed change nothing
        return max(1, round(SHORT * full)) if short else full

    def _rung(self, candidates: Sequence[Candidate], rung: int, deadline: float) -> list[Candidate]:
        results = []
        with self.bench.reporter.track(f"race, rung {rung + 1} of 2", len(candidates)) as advance:
            for done, candidate in enumerate(candidates, 1):
                name = f"race-{rung}-{derive(0, candidate.source) % 10**6:06d}-{candidate.method}"
                found = self.bench.journal.once(name, partial(self._plainly, candidate, rung, deadline))
                results.append(Candidate(**{**found, "by_example": tuple(found["by_example"])}))
                self.bench.clock.stamp()
                advance(done)
        return sorted(drawn_together(results), key=_order)

    def _plainly(self, candidate: Candidate, rung: int, deadline: float) -> dict[str, Any]:
        return asdict(self._try(candidate, rung, deadline))

    def _try(self, candidate: Candidate, rung: int, deadline: float) -> Candidate:
        start, steps = time.monotonic(), self.steps(candidate, short=rung == 0)
        guess = self._guess(candidate, steps)
        if self.bench.clock.spent + guess > deadline or not (self.plan.race or guess == 0):
            reason = f"no time: the race's share of the budget was spent, and this takes about {guess:.1f} s"
            return replace(candidate, outcome="skipped" if rung == 0 else "waiting", reason=reason)
        try:
            utility, criterion = self._validate(candidate, steps)
        except CandidateError as error:
            return replace(candidate, outcome="failed", score=None, reason=str(error), seconds=time.monotonic() - start)
        spread = float(utility.std() / max(1, len(utility)) ** 0.5)
        seconds = candidate.seconds + time.monotonic() - start
        return replace(
            candidate,
            score=float(utility.mean()),
            error=spread,
            criterion=float(criterion.mean()),
            by_example=tuple(np.round(criterion, 4).tolist()),
            seconds=seconds,
            rung=rung,
        )

    def _validate(self, candidate: Candidate, steps: int) -> tuple[np.ndarray, np.ndarray]:
        source, data = self.sources[candidate.source], self.train[candidate.source]
        method: Method = entry("methods", candidate.method).with_steps(steps)
        predictions, targets = [], []
        for number, (learn, valid) in enumerate(self.splits):
            seed = derive(self.bench.seed, "race", number)
            unlabeled = self.entrants.unlabeled.get(candidate.source)
            problem = source.problem(data.take(learn), unlabeled, seed, self.bench.cache)
            model = run(source.model, method.phases(problem), problem, Engine(source.training))
            held = data.take(valid)
            predictions.append(predict(model, held, source.backbone.preprocess, problem.task, source.inference))
            targets.append(held.labels)
        found, truth = np.concatenate(predictions), np.concatenate(targets)
        return problem.task.utility(found, truth), problem.task.criterion(found, truth)

    def _guess(self, candidate: Candidate, steps: int) -> float:
        data, slow = self.train[candidate.source], self.sources[candidate.source].cost[0]
        batch = min(32, int(len(data) * (1 - 1 / max(2, len(self.splits)))))
        return 1.2 * len(self.splits) * steps * batch * slow * catalog.find("methods", candidate.method).cost

    def _descends(self, candidate: Candidate) -> bool:
        return bool(entry("methods", candidate.method).descends)


def drawn_together(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with what is expected of each: halfway between its own criterion and an additive fit.

    The fit adds a source's part and a method's part (two-way analysis of variance). With few labels one cross-validated
    number is mostly noise; a source that does well with eight methods is not. One source alone changes nothing.
    Reference: Efron and Morris, Data analysis using Stein's estimator and its generalizations, JASA 1975.
    """
    scored = [c for c in candidates if c.score is not None]
    kinds = [sorted({getattr(c, of) for c in scored}) for of in ("source", "method")]
    table = np.zeros((len(scored), 1 + len(kinds[0]) + len(kinds[1])))
    for row, c in enumerate(scored):
        table[row, [0, 1 + kinds[0].index(c.source), 1 + len(kinds[0]) + kinds[1].index(c.method)]] = 1
    own = np.array([c.criterion for c in scored])
    fitted = table @ np.linalg.lstsq(table, own, rcond=None)[0] if scored else own
    expected = {(c.source, c.method): float((a + b) / 2) for c, a, b in zip(scored, own, fitted, strict=True)}
    return [replace(c, expected=expected.get((c.source, c.method), 0.0)) for c in candidates]


def _outcome(candidate: Candidate, passed: Collection[tuple[str, str]]) -> str:
    if candidate.outcome != "waiting" or candidate.method == "scratch":
        return "baseline" if candidate.outcome == "waiting" else candidate.outcome
    return "kept" if (candidate.source, candidate.method) in passed else "dropped"


def _order(candidate: Candidate) -> tuple[int, float, float]:
    """Scored before unscored, then by what is expected of them, then by the score."""
    if candidate.score is None:
        return (1, 0.0, 0.0)
    return (0, -candidate.expected, -candidate.score)
