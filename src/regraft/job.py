"""The main job: rank, race, finish, judge, keep. Each step's result is the next one's argument."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

from regraft import certainty, contributing, guard, keeping, lessons, planning, runs
from regraft.bench import Bench
from regraft.blind import BlindRace
from regraft.candidates import Candidate, Entrants, Plan
from regraft.choosing import able, compared, finalists, say_left_out, shown, why
from regraft.combining import with_ensembles
from regraft.core.baseline import BASELINES
from regraft.core.errors import FutileError, UserError
from regraft.course import descends
from regraft.crew import Order
from regraft.data.dataset import Dataset
from regraft.decisions import finished, planned
from regraft.finishing import Finish, Team, team
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
    contributions: str = "auto"
    ensemble: str = "auto"


class Job:
    """Steps 2 to 6 of "Choosing and proving"; step 1, setting the holdout aside, made ``data``."""

    def __init__(self, data: Prepared, wanted: Wanted, bench: Bench) -> None:
        self.data, self.wanted, self.bench = data, wanted, bench
        self.train, self.unlabeled = dict[str, Dataset](), dict[str, Dataset]()
        self._sizes = len(data.train), len(data.holdout)

    def run(self, command: str) -> dict[str, Any]:
        """The result, as in ``run.json``. ``command`` is what repeats the run."""
        return self._told(self.trained(), command)

    def trained(self) -> "Trained":
        """Steps 2 to 4: the choice, and both contestants trained. Of the holdout only its size is read."""
        race, entered, facts = self._entered
        steps, raced = race.plan.steps, race.run(entered, self._deadline(race.plan))
        raced = with_ensembles(race, raced, self._affords)
        begun = self.bench.clock.spent
        race = self._stretched(race, raced)
        ours, theirs, seeds = self._finish(race, raced)
        plan = asdict(replace(race.plan, steps=steps))  # of the race, whose descents may be shorter
        facts = {**facts, "seeds": seeds, "plan": plan}
        return Trained(race, raced, (ours, theirs), facts, (self.bench.clock.spent - begun) / seeds)

    def do(self, order: Order) -> dict[str, Any]:
        """What a worker does of a run that was begun elsewhere: a trial, or a repetition in the finish."""
        race = self._entered[0]
        if order.what == "trial":
            return race.attempt(*order.given)
        return self._finisher(race, order.given[0]).repeat(*order.given)

    @cached_property
    def added(self) -> dict[str, Any]:
        """What else is told of this sort of run; ``about``: what is to be said after the verdict."""
        return {}

    @cached_property
    def sources(self) -> list[Source]:
        """What to transfer from, opened."""
        return [self._open(uri) for uri in dict.fromkeys(self.wanted.sources)]

    @cached_property
    def _entered(self) -> tuple[Race, list[Candidate], dict[str, Any]]:
        """Step 2: the race, who enters it, and what is told of both. All that was measured is in the journal."""
        late = self.bench.journal.once("too-slow", self._late)
        sources = [s for s in self.sources if s.uri not in {row["source"] for row in late}]
        ranking = self.bench.journal.once("ranking", lambda: [] if self.data.blind else self._rank(sources))
        baselines = self._baselines(sources)
        methods, labels = tuple(self.wanted.methods), self.data.train.labelling
        select = self.wanted.select if self.data.blind else ""
        together = self.wanted.ensemble == "yes" or (self.wanted.ensemble == "auto" and not methods)
        votes = {row["source"]: row.get("vote", 0.0) for row in ranking}
        entrants = Entrants(sources, self.unlabeled, methods, baselines, labels, select, together and not select, votes)
        candidates, left_out = entrants.line_up(late)
        say_left_out(self.bench.reporter, methods, candidates, left_out)
        place = dict.fromkeys((s.uri for s in sources), 1) | {row["source"]: row["rank"] for row in ranking}
        candidates.sort(key=lambda c: place[c.source])
        plan = Plan(**self.bench.journal.once("plan", lambda: asdict(self._plan(entrants, candidates))))
        race = (BlindRace if self.data.blind else Race)(entrants, self.train, plan, place, self.bench)
        scratch = [Candidate(s.uri, "source_only" if self.data.blind else "scratch") for s in baselines]
        facts = {"rule": select, "ranking": ranking, "left_out": left_out}
        return race, [scratch[0], *candidates, *scratch[1:]], facts

    def _told(self, trained: "Trained", command: str) -> dict[str, Any]:
        """Steps 5 and 6. From here on the holdout is read; nothing is chosen any more."""
        race, raced, pair, facts = trained.race, trained.raced, trained.pair, {**trained.facts, "command": command}
        ours, theirs = (self.judged(finish, chosen, facts["seeds"]) for finish, chosen in pair)
        verdict = keeping.compared(ours, theirs, self.wanted.level)
        said = guard.describe(verdict, ours.task.gauge, BASELINES[pair[1][1].method].against)
        about = self.added.pop("about", "") or lessons.caution(raced, pair[0][1], ours, theirs)
        verdict = replace(verdict, sentence=said + about)
        found = keeping.result(verdict, ours, theirs)
        kept, made = (ours, pair[0]) if found["shipped"] == "transfer" else (theirs, pair[1])
        sure = self._certain(race, made)
        curve = self.bench.journal.once("curve", partial(self._curve, trained, (ours.holdout, theirs.holdout)))
        scratch = compared(pair[1][1], sum(c.baseline and c.score is not None for c in raced))
        found = {
            **found,
            **facts,
            **certainty.measured(sure, kept.record, kept.task, self.wanted.level),
            **lessons.told(curve, self.data.train, (ours.record, theirs.record), ours.task.gauge, self.wanted.level),
            "why": why(race, raced, pair[0][1]),
            "candidates": [shown(c) | ({"outcome": "finalist"} if c == pair[0][1] else {}) for c in raced],
            "data": {**self.data.facts, "protocol": f"{self.data.facts['protocol']}; {scratch}"},
            "budget": self.bench.clock.budget,
            "effects": {} if self.data.blind else lessons.effects(raced),
            **lessons.foretold(race.place, facts["ranking"], raced),
            "forgetting": lessons.forgetting(ours.finish, ours.method, facts["seeds"], self.wanted.level),
            "hindsight": self._hindsight(race, raced) if isinstance(race, BlindRace) else {},
            "contributions": self.bench.journal.once("contributions", partial(self._contributions, trained, ours)),
            **self.added,
        }
        runs.write_json(self.bench.journal.folder / runs.DECISIONS, self._decisions(trained, found))
        found["sources"] = [keeping.described(s, found) for s in race.entrants.sources]
        return keeping.keep(found, ours, theirs, sure)

    def _certain(self, race: Race, kept: "_Trained") -> certainty.Certainty:
        """Temperature and scores of the kept model, which nothing of the holdout goes into."""
        finish, chosen = kept
        return certainty.find(certainty.Trained(finish, chosen.method, race.steps(chosen), race.seconds(chosen, 1)))

    def _decisions(self, trained: "Trained", found: dict[str, Any]) -> list[dict[str, Any]]:
        """What was decided on the way, first to last, each with its evidence."""
        race, chosen = trained.race, [one for _, one in trained.pair]
        asked = {"budget": found["budget"], "deadline": self._deadline(race.plan), "reserve": race.plan.reserve}
        last = finished(chosen, [race.steps(one) for one in chosen], found["seeds"], found["why"])
        return [planned(found["plan"], asked), *race.decisions, last]

    def _contributions(self, trained: "Trained", ours: keeping.Judged) -> list[dict[str, Any]]:
        """The finalist beside itself without a part or member, and beside the next choice without its source."""
        race, chosen, asked = trained.race, trained.pair[0][1], self.wanted.contributions
        if isinstance(ours.finish, Team) and asked != "no":
            members = contributing.fewer(ours.finish, self._aside)  # trained already: the holdout is all that they see
            return contributing.measured(members, ours.record, self.wanted.level, 0.0)
        if self.data.blind or asked == "no" or (asked == "auto" and self.wanted.steps is not None):
            return []
        others = race.tie_broken(able([c for c in trained.raced if c.source != chosen.source]))
        found = [(self._finisher(race, c), c.method, race.steps(c)) for c in (chosen, *others[:1])]
        seconds = trained.each * trained.facts["seeds"] if asked == "auto" else 0.0
        return contributing.measured(contributing.variants(found, self._aside), ours.record, self.wanted.level, seconds)

    def _curve(self, trained: "Trained", holdouts: Sequence[Dataset]) -> list[dict[str, Any]]:
        pair = [(finish, chosen.method, trained.race.steps(chosen)) for finish, chosen in trained.pair]
        return lessons.curve(pair, holdouts, trained.each)

    def _hindsight(self, race: BlindRace, raced: Sequence[Candidate]) -> dict[str, Any]:
        compare = partial(lessons.hindsight, race, raced, self._aside)
        found: dict[str, Any] = self.bench.journal.once("hindsight", compare)
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
        others = {repr(s.backbone.untrained): s for s in reversed(sources) if s.learns and s.backbone != small.backbone}
        return [small, *others.values()]

    def _rank(self, sources: Sequence[Source]) -> list[dict[str, Any]]:
        return told({s.uri: known_of(s, self.train[s.uri], self.bench, own=False) for s in sources}, self.bench.seed)

    def _plan(self, entrants: Entrants, candidates: Sequence[Candidate]) -> Plan:
        costs = planning.costs_of(entrants, candidates, self._sizes)
        if self.wanted.steps is not None:
            return planning.fixed(costs, self.wanted.steps, self.wanted.seeds)
        return planning.plan(costs, self.bench.clock.left(), self.wanted.seeds)

    def _late(self) -> list[dict[str, str]]:
        """The sources that cannot end within the budget, and why."""
        left = self.bench.clock.left() if self.wanted.steps is None else float("inf")
        return planning.too_slow(self.sources, self.wanted.methods, self._sizes, left)

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
        best = finalists(race, raced)
        if self.wanted.steps is not None or not best:
            return race
        ours, journal, least = best[0], self.bench.journal, race.plan.steps
        affords = partial(self._affords, race, (ours, next(c for c in raced if c.baseline)))
        enough = partial(planning.more_seeds, race.plan, self.wanted.seeds, partial(affords, least))
        plan = Plan(**journal.once("seeds", lambda: asdict(enough())))
        longer = [s for s in planning.LADDER if s > least and descends(ours) and affords(s, plan.seeds)]
        stretched = race.planned(journal.once("finish", lambda: max(longer, default=least)))
        stretched.plan = replace(plan, steps=stretched.plan.steps)
        return stretched

    def _affords(self, race: Race, pair: Sequence[Candidate], steps: int, seeds: int) -> bool:
        """Whether there is time for descents of ``steps`` steps of a transfer and what it meets, and to judge them."""
        if self.wanted.steps is not None:
            return True
        calibrating = certainty.FOLDS[-1] * (steps > race.plan.steps)  # of the transfer, which is mostly what is kept
        training = sum(race.planned(steps).seconds(c, seeds + calibrating * (c is pair[0])) for c in pair)
        models = [one for c in pair for one in c.members or (c,)]
        judging = 1.3 * seeds * len(self.data.holdout) * sum(race.sources[one.source].cost[1] for one in models)
        kept = min(5.0, 0.04 * (self.bench.clock.budget or 0.0))  # for the report
        return bool(training + judging <= 0.95 * self.bench.clock.left() - kept)

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
        reasons = "; ".join(sorted({c.reason for c in raced} - {""})) or "training broke down"
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

    def judged(self, finish: Finish, chosen: Candidate, seeds: int) -> keeping.Judged:
        """A trained contestant, and what its models make of the holdout, which is read here."""
        holdout = self._aside(finish.source)
        return keeping.Judged(finish, chosen.method, finish.measure(chosen.method, seeds, holdout), holdout)

    def _aside(self, source: Source) -> Dataset:
        return self.bench.dataset(self.data.holdout, source.backbone.preprocess)


_Trained = tuple[Finish, Candidate]


@dataclass(frozen=True)
class Trained:
    """What steps 2 to 4 found; ``facts`` are for the report, ``each`` is the seconds that a repetition of both took."""

    race: Race
    raced: Sequence[Candidate]
    pair: tuple[_Trained, _Trained]
    facts: dict[str, Any]
    each: float
