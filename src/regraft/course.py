"""Where candidates are raced: trials of each on parts of the labelled target, with how long they take."""

import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np

from regraft.backbones._facts import facts
from regraft.bench import Bench
from regraft.candidates import Candidate, Entrants, Plan, packed
from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError
from regraft.core.seeding import derive
from regraft.crew import Order
from regraft.data.dataset import Dataset
from regraft.data.splits import Split, clusters, folds
from regraft.evaluation import predict
from regraft.methods._base import Method
from regraft.pacing import Key, Paces
from regraft.sources import Source
from regraft.training import Engine, run

SHORT = 0.3
"""Share of the steps in the first rung."""
MOST = 600
"""Steps of a baseline in a cheap network, at most."""


class Course:
    """Tries candidates. Every trial is in the journal, so what was interrupted goes on."""

    def __init__(
        self, entrants: Entrants, train: Mapping[str, Dataset], plan: Plan, place: Mapping[str, int], bench: Bench
    ) -> None:
        self.entrants, self.train, self.plan, self.place, self.bench = entrants, train, plan, place, bench
        self.sources = {source.uri: source for source in (*entrants.sources, *entrants.baselines)}
        self.splits = self._divided(next(iter(train.values())))
        self._work: dict[str, float] = {}
        self.paces = Paces({uri: source.cost[0] for uri, source in self.sources.items()})

    def seconds(self, candidate: Candidate, times: int) -> float:
        """What ``times`` full descents of a candidate are expected to take, by its trials if it had any."""
        if candidate.members:
            return sum(self.seconds(member, times) for member in candidate.members)
        return times * self.steps(candidate) * (candidate.pace or self._pace(candidate, len(self._data(candidate))))

    def planned(self, steps: int) -> Self:
        """The same for descents of another length."""
        other = copy(self)
        other.plan = replace(self.plan, steps=steps)
        return other

    def steps(self, candidate: Candidate, short: bool = False) -> int:
        """Steps of a full or a short descent. A baseline in a cheaper network gets more, for about the same time."""
        full = self.plan.steps
        if candidate.baseline:
            slowest, source = max(self.entrants.sources, key=self._cost), self.sources[candidate.source]
            if slowest.backbone != source.backbone:
                ratio = min(self._cost(slowest) / self._cost(source), MOST / full)
                full *= 2 ** int(np.log2(max(1.0, ratio)))  # powers of two: small changes of a speed change nothing
        return max(1, round(SHORT * full)) if short else full * candidate.times

    def _cost(self, source: Source) -> float:
        """Of training on an example: measured seconds, or counted operations where nothing is to follow the clock."""
        if self.plan.timed:
            return source.cost[0]
        if source.uri not in self._work:
            self._work[source.uri] = float(facts(source.backbone, source.model.backbone).flops or 1)
        return self._work[source.uri]

    def tried(
        self, candidates: Sequence[Candidate], rung: int, fold: int, deadline: float
    ) -> Iterator[tuple[Key, dict[str, Any]]]:
        """A trial of each on one fold, as they are done: side by side where the bench has several workers."""
        known = dict[Key, dict[str, Any]]()

        def orders(until: float) -> Iterator[Order]:
            for c in candidates:
                at = rung if descends(c) else 0  # what needs no descent has only one length
                name = self._trial(c, at, fold)
                trial = self.bench.journal.found(name) or self._late(c, at, fold, until)
                if trial is None:
                    yield Order(name, "trial", (c, at, fold))
                else:
                    known[key(c)] = self.bench.journal.once(name, partial(dict, trial))
                    until = self._left(until, rung, trial)

        for order, trial in self.bench.each(orders(deadline), lambda order: self.attempt(*order.given)):
            yield key(order.given[0]), trial
        yield from known.items()

    def _left(self, deadline: float, rung: int, trial: dict[str, Any]) -> float:
        """The deadline after a trial: nobody overtakes one who had no time."""
        return 0.0 if rung and "late" in trial else deadline

    def _trial(self, candidate: Candidate, rung: int, fold: int) -> str:
        """What a trial is called in the journal."""
        name = f"race-{rung}-{fold}-{derive(0, candidate.source) % 10**6:06d}-{catalog.filed(candidate.method)}"
        return name + f"-x{candidate.times}" * (candidate.times > 1) + f"-draw{candidate.draw}" * (candidate.draw > 0)

    def _late(self, candidate: Candidate, rung: int, fold: int, deadline: float) -> dict[str, Any] | None:
        """What is written of a trial for which there is no time; None where there is."""
        pace = candidate.pace or self._pace(candidate, len(self.splits[fold][0]))
        guess = 1.2 * self.steps(candidate, short=rung == 0) * pace
        if self.bench.clock.spent + guess <= deadline and (self.plan.race or guess == 0):
            return None
        takes = f", and this takes about {guess:.1f} s" if guess >= 0.05 else ""
        return {"late": f"no time: the race's share of the budget was spent{takes}"}

    def attempt(self, candidate: Candidate, rung: int, fold: int) -> dict[str, Any]:
        """What a trial finds, for the journal; workers do this too."""
        start = time.monotonic()
        try:
            found = self._validate(candidate, self.steps(candidate, short=rung == 0), fold)
        except CandidateError as error:
            return {"failed": str(error)}
        return {**found, "seconds": time.monotonic() - start}

    def _validate(self, candidate: Candidate, steps: int, fold: int) -> dict[str, Any]:
        source, data = self.sources[candidate.source], self._data(candidate)
        method: Method = entry("methods", candidate.method).with_steps(steps)
        learn, valid = (data.take(rows) for rows in self.splits[fold])
        unlabeled = self.entrants.unlabeled.get(candidate.source)
        seed = derive(self.bench.seed, "race", fold, *([candidate.draw] if candidate.draw else []))
        problem = source.problem(learn, unlabeled, seed, self.bench.cache)
        start = time.monotonic()
        model = run(source.model, method.phases(problem), problem, Engine(source.training))
        pace = (time.monotonic() - start) / steps
        found = predict(model, valid, source.backbone.preprocess, problem.task, source.inference)
        utility, criterion = problem.task.utility(found, valid.labels), problem.task.criterion(found, valid.labels)
        full = steps == self.steps(candidate) or not descends(candidate)  # short descents make no ensembles
        kept = {"outputs": packed(found)} if full else {}
        return {"utility": utility.tolist(), "criterion": np.round(criterion, 4).tolist(), "pace": pace, **kept}

    def _divided(self, data: Dataset) -> list[Split]:
        """What is learned from and what is validated on, fold by fold."""
        seed = derive(self.bench.seed, "folds")
        return folds(data.examples.strata, self.plan.folds, seed, clusters(data.examples))

    def _data(self, candidate: Candidate) -> Dataset:
        return self.train[candidate.source]

    def _pace(self, candidate: Candidate, examples: int) -> float:
        """Seconds of one step, as far as they are known."""
        return self.paces.of(key(candidate), examples)


def descends(candidate: Candidate) -> bool:
    """Whether steps cost the candidate time."""
    if candidate.members:
        return any(map(descends, candidate.members))
    return bool(entry("methods", candidate.method).descends)


def cost(candidate: Candidate) -> float:
    """What a step of its method costs, beside one of plain training."""
    return float(catalog.find("methods", candidate.method).cost)


def key(candidate: Candidate) -> Key:
    """What trials are kept by."""
    return candidate.source, candidate.method
