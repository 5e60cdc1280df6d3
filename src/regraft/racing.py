"""The race: sources x methods, by cross-validated utility on the labelled target, the weak dropped early."""

import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from regraft.backbones._facts import facts
from regraft.bench import Bench
from regraft.candidates import (
    Candidate,
    Entrants,
    Plan,
    clearly_better,
    done,
    drawn_together,
    hopeless,
    outcome,
    packed,
    standing,
    told,
    transfers,
)
from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError
from regraft.core.seeding import derive
from regraft.crew import Order
from regraft.data.dataset import Dataset
from regraft.data.splits import Split, clusters, folds
from regraft.decisions import cut
from regraft.evaluation import predict
from regraft.methods._base import Method
from regraft.pacing import Key, Paces
from regraft.sources import Source
from regraft.training import Engine, run

SHORT = 0.3
"""Share of the steps in the first rung."""
SURVIVORS = 3
"""Candidates that reach the second rung, at least; a third of all if that is more."""
FIRST = 0.5
"""Share of the race's time after which the first rung starts nothing new."""
EPOCHS = 5
"""Passes over the labels below which fine-tuning is not taken on trust."""
MOST = 600
"""Steps of a baseline in a cheap network, at most."""

Trials = dict[Key, list[dict[str, Any]]]
"""What each trial of each candidate found, fold by fold."""


class Race:
    """Runs candidates over the rungs. Every trial is in the journal, so a race that was interrupted goes on."""

    def __init__(
        self, entrants: Entrants, train: Mapping[str, Dataset], plan: Plan, place: Mapping[str, int], bench: Bench
    ) -> None:
        self.entrants, self.train, self.plan, self.place, self.bench = entrants, train, plan, place, bench
        self.sources = {source.uri: source for source in (*entrants.sources, *entrants.baselines)}
        self.splits = self._divided(next(iter(train.values())))
        self._work: dict[str, float] = {}
        self.paces = Paces({uri: source.cost[0] for uri, source in self.sources.items()})
        self._ended: dict[Key, str] = {}
        self.decisions: list[dict[str, Any]] = []

    def run(self, candidates: Sequence[Candidate], deadline: float) -> list[Candidate]:
        """The candidates with their results, best first. ``deadline``: seconds on the clock after which none starts.

        Short descents choose who descends in full. One for which there is no time then stands by its short descent,
        which says too little of it rather than too much. Baselines run in the first rung only.
        """
        if not self.splits:
            reason = "one label a class: nothing to validate on"
            return [replace(c, outcome="skipped", reason=reason) for c in candidates]
        begun = self.bench.clock.spent
        short = self._trials(candidates, 0, begun + FIRST * (deadline - begun))
        first = drawn_together(self._summed(candidates, short))
        scored = transfers(first)
        seen = max((c.folds for c in scored), default=0)
        through = self._led([c for c in scored if c.folds == seen], max(SURVIVORS, len(scored) // 3))
        self.decisions.append(cut("Short descents", through, scored, short.values()))
        full = self._trials(through, 1, deadline)
        second = drawn_together(self._summed(through, full, short))
        still = [c for c in second if key(c) not in self._ended]
        self.decisions.append(cut("Full descents", still, transfers(second), full.values()))
        results = {key(c): replace(c, outcome=outcome(c, "dropped")) for c in first}
        results |= {key(c): self._settled(c) for c in second}
        return sorted(results.values(), key=standing)

    def _settled(self, candidate: Candidate) -> Candidate:
        """A candidate of the second rung with its outcome: only those that were not ended early are kept."""
        ended = self._ended.get(key(candidate), "")
        found = outcome(candidate, "dropped" if ended else "kept")
        return replace(candidate, outcome=found, reason=candidate.reason or ended)

    def tie_broken(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates, best first; those that are not clearly behind the best go by what is known beforehand.

        That is fine-tuning before other methods, then the rank of their source. Clearly: by more than `CLEARLY`
        standard errors of the difference, example by example.
        """
        ordered = sorted(candidates, key=standing)
        tied = self.ties(ordered)
        preferred = sorted(tied, key=lambda c: (c.method != "fine_tune", self.place[c.source]))
        return preferred + [c for c in ordered if c not in tied]

    def ties(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidate that came first and those that it is not clearly better than, best first; see `tie_broken`."""
        scored = sorted((c for c in candidates if c.score is not None), key=standing)
        return [c for c in scored if not clearly_better(scored[0], c)]

    def _led(self, candidates: Sequence[Candidate], count: int) -> list[Candidate]:
        """The best ``count``, led by fine-tuning from the source of the first: short descents do it least justice."""
        ordered = self.tie_broken(candidates)
        led = [c for c in ordered if (c.source, c.method) == (ordered[0].source, "fine_tune")]
        return [*led, *(c for c in ordered if c not in led)][:count]

    def trusted_untried(self, candidate: Candidate) -> bool:
        """Whether what the race had no time for may be chosen all the same: fine-tuning, given enough steps.

        Short of `EPOCHS` passes over the labels, heads on frozen features are the safer guess.
        """
        late = candidate.method == "fine_tune" and candidate.score is None and candidate.outcome == "skipped"
        batch = entry("methods", "fine_tune").descent.batch_size
        return late and self.plan.race and self.plan.steps * batch >= EPOCHS * len(self._data(candidate))

    def seconds(self, candidate: Candidate, times: int) -> float:
        """What ``times`` full descents of a candidate are expected to take, by its trials if it had any."""
        if candidate.members:
            return sum(self.seconds(member, times) for member in candidate.members)
        return times * self.steps(candidate) * (candidate.pace or self._pace(candidate, len(self._data(candidate))))

    def planned(self, steps: int) -> "Race":
        """The same race for descents of another length."""
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

    def _trials(self, candidates: Sequence[Candidate], rung: int, deadline: float) -> Trials:
        """The trials of a rung, fold after fold, so that when time runs out candidates were seen on the same examples.

        After the first fold of the first rung only the better half goes on, the best first. In the second rung nobody
        overtakes one who had no time: a full descent looks better than a short one whatever the method.
        """
        trials: Trials = {key(c): [] for c in candidates}
        going, done = list(candidates), 0
        with self.bench.reporter.track(f"race, rung {rung + 1} of 2", len(candidates) * len(self.splits)) as advance:
            for fold in range(len(self.splits)):
                able = [c for c in going if all("seconds" in trial for trial in trials[key(c)])]  # not failed or late
                done += len(going) - len(able)
                for one, trial in self.tried(able, rung, fold, deadline):
                    trials[one].append(trial)
                    self.paces.note(one, trial, len(self.splits[fold][0]))
                    done += 1
                    advance(done)
                    deadline = self._left(deadline, rung, trial)
                if fold == 0 and rung == 0:
                    going = self._better_half(candidates, self._summed(candidates, trials))
                elif rung and fold + 1 < len(self.splits):
                    going = self._hopeful(going, trials)
        return trials

    def _better_half(self, candidates: Sequence[Candidate], seen: Sequence[Candidate]) -> list[Candidate]:
        """The baselines and the better half of the transfers, as they were before their trials, the best first."""
        scored = transfers(drawn_together(seen))
        best = [key(c) for c in self._led(scored, max(2 * SURVIVORS, len(scored) // 2))]
        fresh = {key(c): c for c in candidates}
        return [*(c for c in candidates if c.baseline), *(fresh[key] for key in best)]

    def _hopeful(self, going: Sequence[Candidate], trials: Trials) -> list[Candidate]:
        """Those of the second rung that may still be chosen; of the others it is noted how far they were behind."""
        seen = [told(c, trials[key(c)], done(trials[key(c)]), 1) for c in going if done(trials[key(c)])]
        self._ended |= {key(c): reason for c, reason in hopeless(seen)}
        return [c for c in going if key(c) not in self._ended]

    def tried(
        self, candidates: Sequence[Candidate], rung: int, fold: int, deadline: float
    ) -> Iterator[tuple[Key, dict[str, Any]]]:
        """A trial of each on one fold, as they are done: side by side where the bench has several workers."""
        known = dict[Key, dict[str, Any]]()

        def orders(until: float) -> Iterator[Order]:
            for c in candidates:
                at = rung if self.descends(c) else 0  # what needs no descent has only one length
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
        full = steps == self.steps(candidate) or not self.descends(candidate)  # short descents make no ensembles
        kept = {"outputs": packed(found)} if full else {}
        return {"utility": utility.tolist(), "criterion": np.round(criterion, 4).tolist(), "pace": pace, **kept}

    def _summed(self, candidates: Sequence[Candidate], trials: Trials, short: Trials | None = None) -> list[Candidate]:
        """The candidates with what their trials say, over the folds that enough of those that descend have.

        ``short``: in the second rung, the trials of the first; who was late stands by these.
        """
        descents = [c for c in candidates if not c.baseline and self.descends(c) and key(c) not in self._ended]
        counts = sorted((len(found) for c in descents if (found := done(trials[key(c)]))), reverse=True)
        common = counts[:SURVIVORS][-1] if counts else len(self.splits)
        results = []
        for c in candidates:
            mine, length = trials[key(c)], int(short is not None and self.descends(c))
            if short is not None and "late" in mine[0]:
                c, mine, length = replace(c, reason=mine[0]["late"]), short[key(c)], 0
            results.append(told(c, mine, done(mine)[: None if c.baseline else common], length))
        return results

    def _divided(self, data: Dataset) -> list[Split]:
        """What is learned from and what is validated on, fold by fold."""
        seed = derive(self.bench.seed, "folds")
        return folds(data.examples.strata, self.plan.folds, seed, clusters(data.examples))

    def _data(self, candidate: Candidate) -> Dataset:
        return self.train[candidate.source]

    def _pace(self, candidate: Candidate, examples: int) -> float:
        """Seconds of one step, as far as they are known."""
        return self.paces.of(key(candidate), examples)

    def descends(self, candidate: Candidate) -> bool:
        """Whether steps cost the candidate time."""
        if candidate.members:
            return any(map(self.descends, candidate.members))
        return bool(entry("methods", candidate.method).descends)


def key(candidate: Candidate) -> Key:
    """What trials are kept by."""
    return candidate.source, candidate.method
