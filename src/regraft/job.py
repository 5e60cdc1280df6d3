"""The main job: rank, race, finish, judge, keep. Each step's result is the next one's argument."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from typing import Any

from regraft import certainty, guard, keeping, lessons, planning, runs
from regraft.bench import Bench
from regraft.blind import BlindRace
from regraft.candidates import Candidate, Entrants, Plan
from regraft.choosing import able, finalists, why
from regraft.combining import ensembles, rival, settled
from regraft.core import catalog
from regraft.core.baseline import BASELINES
from regraft.core.errors import FutileError, UserError
from regraft.crew import Order
from regraft.data.dataset import Dataset
from regraft.decisions import combined, finished, planned
from regraft.finishing import Finish, team
from regraft.opening import Opening
from regraft.preparing import Prepared
from regraft.racing import Race
from regraft.ranking import known_of, told
from regraft.sources import Source, open_source, scratch_source


@dataclass(frozen=True)
class Wanted:
    """What to try: see the options of the same names of ``regraft run``."""

    sources: Sequence[str]
    methods: Sequence[str]
    opening: Opening
    seeds: int
    level: float
    steps: int | None = None
    select: str = "nuclear_norm"


class Job:
    """Steps 2 to 6 of "Choosing and proving"; step 1, setting the holdout aside, made ``data``."""

    def __init__(self, data: Prepared, wanted: Wanted, bench: Bench) -> None:
        self.data, self.wanted, self.bench = data, wanted, bench
        self.train: dict[str, Dataset] = {}
        self.unlabeled: dict[str, Dataset] = {}

    def run(self, command: str) -> dict[str, Any]:
        """The result, as in ``run.json``. ``command`` is what repeats the run."""
        race, entered, facts = self._entered
        steps, raced = race.plan.steps, race.run(entered, self._deadline(race.plan))
        raced = self._with_ensembles(race, raced)
        begun = self.bench.clock.spent
        race = self._stretched(race, raced)
        ours, theirs, seeds = self._finish(race, raced)
        facts = {**facts, "seeds": seeds, "command": command}
        facts["plan"] = asdict(replace(race.plan, steps=steps))  # of the race, whose descents may be shorter
        return self._told(race, raced, (ours, theirs), {**facts, "each": (self.bench.clock.spent - begun) / seeds})

    def do(self, order: Order) -> dict[str, Any]:
        """What a worker does of a run that was begun elsewhere: a trial, or a repetition in the finish."""
        race = self._entered[0]
        if order.what == "trial":
            return race.attempt(*order.given)
        return self._finisher(race, order.given[0]).repeat(*order.given)

    @cached_property
    def _entered(self) -> tuple[Race, list[Candidate], dict[str, Any]]:
        """Step 2: the race, who enters it, and what is told of both. All that was measured is in the journal."""
        sources = [self._open(uri) for uri in dict.fromkeys(self.wanted.sources)]
        ranking = self.bench.journal.once("ranking", lambda: [] if self.data.blind else self._rank(sources))
        baselines = self._baselines(sources)
        methods, labels = tuple(self.wanted.methods), self.data.train.labelling
        select = self.wanted.select if self.data.blind else ""
        entrants = Entrants(sources, self.unlabeled, methods, baselines, labels, select)
        candidates, left_out = entrants.line_up()
        place = dict.fromkeys((s.uri for s in sources), 1) | {row["source"]: row["rank"] for row in ranking}
        candidates.sort(key=lambda c: place[c.source])
        plan = Plan(**self.bench.journal.once("plan", lambda: asdict(self._plan(entrants, candidates))))
        race = (BlindRace if self.data.blind else Race)(entrants, self.train, plan, place, self.bench)
        scratch = [Candidate(s.uri, "source_only" if self.data.blind else "scratch") for s in baselines]
        facts = {"rule": select, "ranking": ranking, "left_out": left_out}
        return race, [scratch[0], *candidates, *scratch[1:]], facts

    def _told(
        self, race: Race, raced: Sequence[Candidate], pair: tuple["_Trained", "_Trained"], facts: dict[str, Any]
    ) -> dict[str, Any]:
        """Steps 5 and 6. From here on the holdout is read; nothing is chosen any more."""
        ours, theirs = (self._judged(finish, chosen, facts["seeds"]) for finish, chosen in pair)
        verdict = guard.judge(ours.record, theirs.record, level=self.wanted.level)
        against = BASELINES[pair[1][1].method].against
        verdict = replace(verdict, sentence=guard.describe(verdict, ours.task.gauge, against))
        found = keeping.result(verdict, ours, theirs)
        sure = self._certain(race, pair[found["shipped"] != "transfer"])
        kept = ours if found["shipped"] == "transfer" else theirs
        contestants = [(finish, chosen.method, race.steps(chosen)) for finish, chosen in pair]
        measure = partial(lessons.curve, contestants, (ours.holdout, theirs.holdout), facts.pop("each"))
        curve = self.bench.journal.once("curve", measure)
        end = min(self.data.train.counts().values()) if curve else 0
        scratch = _compared(pair[1][1], sum(c.outcome == "baseline" for c in raced))
        found = {
            **found,
            **facts,
            **certainty.measured(sure, kept.record, kept.task, self.wanted.level),
            **lessons.told(curve, (ours.record, theirs.record), end, ours.task.gauge, self.wanted.level),
            "why": why(race, raced, pair[0][1]),
            "candidates": [_shown(c) | ({"outcome": "finalist"} if c == pair[0][1] else {}) for c in raced],
            "data": {**self.data.facts, "protocol": f"{self.data.facts['protocol']}; {scratch}"},
            "budget": self.bench.clock.budget,
            "effects": {} if self.data.blind else lessons.effects(raced),
            "ranking_agreement": lessons.agreement(race.place, raced),
            "score_agreement": lessons.agreements(facts["ranking"], raced),
            "forgetting": lessons.forgetting(ours.finish, ours.method),
            "hindsight": self._hindsight(race, raced) if isinstance(race, BlindRace) else {},
        }
        runs.write_json(self.bench.journal.folder / runs.DECISIONS, self._decisions(race, pair, found))
        found["sources"] = [keeping.described(s, found) for s in race.entrants.sources]
        return keeping.keep(found, ours, theirs, sure)

    def _certain(self, race: Race, kept: "_Trained") -> certainty.Certainty:
        """Temperature and scores of the kept model, which nothing of the holdout goes into."""
        finish, chosen = kept
        return certainty.find(certainty.Trained(finish, chosen.method, race.steps(chosen), race.seconds(chosen, 1)))

    def _decisions(
        self, race: Race, pair: tuple["_Trained", "_Trained"], found: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """What was decided on the way, first to last, each with its evidence."""
        asked = {"budget": found["budget"], "deadline": self._deadline(race.plan), "reserve": race.plan.reserve}
        chosen = [one for _, one in pair]
        last = finished(chosen, [race.steps(one) for one in chosen], found["seeds"], found["why"])
        return [planned(found["plan"], asked), *race.decisions, last]

    def _hindsight(self, race: BlindRace, raced: Sequence[Candidate]) -> dict[str, Any]:
        """Selectors beside the oracle; the models of the race are not needed any more then."""
        found: dict[str, Any] = self.bench.journal.once(
            "hindsight", partial(lessons.hindsight, race, raced, self._aside)
        )
        race.forget(raced)
        return found

    def _open(self, uri: str) -> Source:
        self.bench.reporter.say(f"source {uri}")
        source = open_source(uri, self.data.train, self.wanted.opening, self.bench)
        self._decode(source)
        self.bench.clock.stamp()
        return source

    def _decode(self, source: Source) -> None:
        preprocess = source.backbone.preprocess
        self.train[source.uri] = self.bench.dataset(self.data.train, preprocess)
        if self.data.unlabeled is not None:
            self.unlabeled[source.uri] = self.bench.dataset(self.data.unlabeled, preprocess)

    def _baselines(self, sources: Sequence[Source]) -> list[Source]:
        """Scratch in each architecture of the sources, and in a small network, which few labels often suit better.

        Without labels to learn from: the sources themselves.
        """
        if self.data.blind:
            return list(sources)
        small = scratch_source("small", self.data.train, self.bench)
        self._decode(small)
        others = {repr(s.backbone): s for s in reversed(sources) if s.learns and s.backbone != small.backbone}
        return [small, *others.values()]

    def _rank(self, sources: Sequence[Source]) -> list[dict[str, Any]]:
        return told({s.uri: known_of(s, self.train[s.uri], self.bench) for s in sources}, self.bench.seed)

    def _plan(self, entrants: Entrants, candidates: Sequence[Candidate]) -> Plan:
        weights = [catalog.find("methods", c.method).cost for c in candidates]
        slow, fast = (max(s.cost[i] for s in entrants.sources) for i in (0, 1))
        least = min(s.cost[0] for s in entrants.baselines)
        costs = planning.Costs(slow, fast, least, min(32, len(self.data.train)), len(self.data.holdout), weights)
        if self.wanted.steps is not None:
            return planning.fixed(costs, self.wanted.steps, self.wanted.seeds)
        return planning.plan(costs, self.bench.clock.left(), self.wanted.seeds)

    def _deadline(self, plan: Plan) -> float:
        """Seconds on the clock after which no candidate starts."""
        clock = self.bench.clock
        if clock.budget is None:
            return 1e12
        left = clock.left()
        free = max(0.15 * left, 0.88 * left - plan.reserve) if plan.race else 0.15 * left
        return float(self.bench.journal.once("deadline", lambda: clock.spent + free))

    def _stretched(self, race: Race, raced: Sequence[Candidate]) -> Race:
        """The race with more seeds and longer descents for the finish, as far as the time that it left allows."""
        if self.wanted.steps is not None:
            return race
        ours, journal, least = finalists(race, raced)[0], self.bench.journal, race.plan.steps
        affords = partial(self._affords, race, (ours, next(c for c in raced if c.baseline)))
        enough = partial(planning.more_seeds, race.plan, self.wanted.seeds, partial(affords, least))
        plan = Plan(**journal.once("seeds", lambda: asdict(enough())))
        longer = [s for s in planning.LADDER if s > least and race.descends(ours) and affords(s, plan.seeds)]
        stretched = race.planned(journal.once("finish", lambda: max(longer, default=least)))
        stretched.plan = replace(plan, steps=stretched.plan.steps)
        return stretched

    def _affords(self, race: Race, pair: Sequence[Candidate], steps: int, seeds: int) -> bool:
        """Whether there is time for descents of ``steps`` steps of a transfer and what it meets, and to judge them."""
        calibrating = certainty.FOLDS[-1] * (steps > race.plan.steps)  # of the transfer, which is mostly what is kept
        training = sum(race.planned(steps).seconds(c, seeds + calibrating * (c is pair[0])) for c in pair)
        models = [one for c in pair for one in c.members or (c,)]
        judging = 1.3 * seeds * len(self.data.holdout) * sum(race.sources[one.source].cost[1] for one in models)
        kept = min(5.0, 0.04 * (self.bench.clock.budget or 0.0))  # for the report
        return bool(training + judging <= 0.95 * self.bench.clock.left() - kept)

    def _with_ensembles(self, race: Race, raced: Sequence[Candidate]) -> list[Candidate]:
        """The candidates, and the ensembles of the best of them with what became of them: see `combining`."""
        choice = finalists(race, raced)[0]
        others = sorted((c for c in able(raced) if c != choice and c.score is not None), key=lambda c: -c.expected)
        found = [] if self.data.blind or choice.score is None else ensembles(race, [choice, *others])
        steps, seeds, free = race.plan.steps, race.plan.seeds, self.wanted.steps is not None
        scratch, trials = next(c for c in raced if c.baseline), math.ceil(2 * len(race.splits) / seeds)
        rivals = [[replace(scratch, times=len(one.members))] * (1 + trials) for one in found]  # it is raced, too
        pairs = zip(found, rivals, strict=True)
        afforded = [free or self._affords(race, [one, *theirs], steps, seeds) for one, theirs in pairs]
        told = settled(choice, found, self.bench.journal.once("ensembles", lambda: afforded))
        race.decisions += [combined(choice, told)] if told else []
        many = max((len(one.members) for one in told if one.outcome == "kept"), default=0)
        return [*(rival(race, c, many) if many and c.outcome == "baseline" else c for c in raced), *told]

    def _finish(self, race: Race, raced: Sequence[Candidate]) -> tuple["_Trained", "_Trained", int]:
        """Train the best candidate and the best baseline; the next best where training breaks down."""
        ours, seeds = self._train(race, finalists(race, raced), raced, race.plan.seeds)
        scratch = [c for c in raced if c.baseline]
        # The better baseline, unless the budget was planned for the cheaper one only.
        late = [c.source for c in scratch if race.seconds(c, seeds) > self.bench.clock.left()]
        late = self.bench.journal.once("late-baselines", lambda: late)
        scratch.sort(key=lambda c: c.source in late)
        theirs, seeds = self._train(race, scratch, raced, seeds)
        return ours, theirs, seeds

    def _train(
        self, race: Race, candidates: Sequence[Candidate], raced: Sequence[Candidate], seeds: int
    ) -> tuple["_Trained", int]:
        for chosen in candidates:
            finish = self._finisher(race, chosen)
            done = finish.train(chosen, race.steps(chosen), seeds)
            if done:
                return (finish, chosen), done
        reasons = "; ".join(sorted({c.reason for c in raced if c.reason})) or "training broke down"
        sure = "ridge" if self.data.train.numeric else "logistic"
        fix = "give another --source" if self.data.blind else f"try --method {sure} or other {self.data.train.noun}s"
        every = all(c.outcome == "failed" for c in raced if not c.baseline)
        raise (FutileError if every else UserError)(f"no candidate could be trained ({reasons}); {fix}")

    def _finisher(self, race: Race, chosen: Candidate) -> Finish:
        """What trains a candidate; an ensemble's members train as each would alone."""
        if chosen.members:
            each = [(self._finisher(race, one), one.method, race.steps(one)) for one in chosen.members]
            return team(chosen.source, each)
        uri = chosen.source
        return Finish(race.sources[uri], self.train[uri], self.unlabeled.get(uri), self.bench)

    def _judged(self, finish: Finish, chosen: Candidate, seeds: int) -> keeping.Judged:
        holdout = self._aside(finish.source)
        return keeping.Judged(finish, chosen.method, finish.measure(chosen.method, seeds, holdout), holdout)

    def _aside(self, source: Source) -> Dataset:
        """The holdout, as a source decodes it."""
        return self.bench.dataset(self.data.holdout, source.backbone.preprocess)


def _compared(chosen: Candidate, tried: int) -> str:
    """What the baseline is, in words."""
    if chosen.method != "scratch":
        return f"compared with {chosen.source} as it is"
    name = chosen.source.removeprefix("scratch:")
    choice = f", the better of {tried} by the race" if tried > 1 else ""
    many = f"; {len(chosen.members)} of them answer together, as of the transfer" if chosen.members else ""
    many = f"; trained {chosen.times} times as long, since {chosen.times} transfers are" if chosen.times > 1 else many
    return f"from scratch: {name} without its knowledge{choice}{many}"


def _shown(candidate: Candidate) -> dict[str, Any]:
    shown = {f.name: getattr(candidate, f.name) for f in fields(candidate) if f.name not in ("by_example", "outputs")}
    return shown | {"members": [{"source": one.source, "method": one.method} for one in candidate.members]}


_Trained = tuple[Finish, Candidate]
