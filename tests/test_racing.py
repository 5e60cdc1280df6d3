"""The race on canned results: who is compared with whom, on what, and what happens when time runs out."""

import random
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

from regraft.bench import Bench
from regraft.candidates import Candidate, Entrants, Plan
from regraft.choosing import finalists, why
from regraft.core.errors import CandidateError
from regraft.core.progress import Reporter
from regraft.crew import Workers
from regraft.expecting import levelled
from regraft.job import Job, Wanted
from regraft.model import Model
from regraft.opening import Opening
from regraft.racing import Race, voted
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime
from regraft.sources import Source


class Canned(Race):
    """A race in which a trial takes ``cost[method]`` seconds for a full descent and finds ``truth[method]``."""

    now = 0.0

    def prepare(self, truth: dict[str, tuple[float, float]], cost: dict[str, float]) -> "Canned":
        self.truth, self.price, self.log = truth, cost, []
        self.better: dict[str, float] = {}
        return self

    def _validate(self, candidate, steps, fold):
        full = steps >= self.plan.steps
        self.log.append((candidate.method, full, fold))
        if candidate.method == "lora":
            raise CandidateError("not a number")
        price = self.price.get(candidate.method, 5.0)
        type(self).now += price * steps / self.plan.steps
        likelihood = self.truth.get(candidate.method, (-0.5, -0.4))[full] + self.better.get(candidate.source, 0.0)
        some = len(self.splits[fold][1])
        pace = price / self.plan.steps
        return {"utility": [1 + likelihood] * some, "criterion": [likelihood - 0.01 * (i % 2) for i in range(some)],
                "pace": pace}  # fmt: skip


class Told(Clock):
    @property
    def spent(self) -> float:
        return Canned.now


METHODS = ("logistic", "fine_tune", "probe_then_tune", "l2_sp", "gradual")
TRUTH = {  # criterion after a short and after a full descent
    "scratch": (-1.5, -1.5), "logistic": (-0.8, -0.8), "fine_tune": (-0.9, -0.1), "probe_then_tune": (-0.7, -0.5),
    "l2_sp": (-1.4, -0.3), "gradual": (-1.6, -0.05),
}  # fmt: skip
COST = {"scratch": 1.0, "logistic": 0.0, "fine_tune": 10.0, "probe_then_tune": 4.0, "l2_sp": 10.0, "gradual": 5.0}


@pytest.fixture
def race(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("regraft.candidates.HOPELESS", float("inf"))  # canned results have no spread
    Canned.now = 0.0
    backbone = toy.backbone()
    model = Model(backbone.build(), nn.Identity(), ())
    source = Source("toy:net", backbone, model, None, False, {}, Runtime(), Runtime(), (0.006, 0.001))
    scratch = Source("scratch:toy", backbone, model, None, False, {}, Runtime(), Runtime(), (0.006, 0.001))
    journal = Journal(tmp_path)
    bench = Bench(journal, Told(journal, 1000.0), Reporter(), Runtime(), False, 0, Path(tmp_path))
    data = toy.draw("target", 6)

    def start(methods=METHODS, uris=("toy:net",)) -> tuple[Canned, list[Candidate]]:
        sources = [replace(source, uri=uri) for uri in uris]
        entrants = Entrants(sources, {}, methods, [scratch])
        place = {uri: rank for rank, uri in enumerate(uris, 1)}
        made = Canned(entrants, {s.uri: data for s in (*sources, scratch)}, Plan(100, 3, 3), place, bench)
        return made.prepare(TRUTH, COST), [Candidate("scratch:toy", "scratch"), *entrants.line_up()[0]]

    return start


def test_methods_that_were_asked_for_all_descend_in_full(race):
    running, candidates = race()
    found = running.run(candidates, 500.0)
    kept = ["gradual", "fine_tune", "l2_sp", "probe_then_tune", "logistic"]
    assert [c.method for c in found if c.outcome == "finished"] == kept
    assert [c.folds for c in found if c.outcome == "finished"] == [3] * 5
    assert next(c for c in found if c.method == "scratch").outcome == "baseline"
    assert ("scratch", True, 0) not in running.log  # a baseline runs short only
    assert sum(method == "logistic" for method, _, _ in running.log) == 3  # what needs no descent is not repeated
    assert {(m, fold) for m, full, fold in running.log if not full and m in COST and COST[m] > 1} == {("fine_tune", 0)}


def test_unasked_the_usual_methods_descend_from_the_first_source_only(race):
    """Of three sources that heads and short descents tell apart, the better two; the rest is passed over."""
    running, candidates = race((), ("toy:c", "toy:a", "toy:b"))
    running.better = {"toy:a": 0.3, "toy:b": 0.1, "toy:c": -0.2}
    found = running.run(candidates, 1e9)
    assert [running.turn[uri] for uri in ("toy:a", "toy:b", "toy:c")] == [0, 1, 2]
    full = {(c.source, c.method) for c in found if c.rung}
    assert {("toy:a", "fine_tune"), ("toy:b", "fine_tune")} <= full
    assert {source for source, method in full if method != "fine_tune"} <= {"toy:a"}
    worth = running._worth(next(c for c in candidates if c.method == "fine_tune"))
    every = sum(running._worth(c) for c in candidates if not c.baseline)
    spent = sum(running._worth(c) * c.folds for c in found if c.rung)
    assert spent <= max(2.2 * worth, 0.05 * 3 * every)
    passed = {(c.source, c.method) for c in found if c.reason == "other candidates were raced in its place"}
    assert {("toy:b", "l2_sp"), ("toy:c", "l2_sp")} <= passed
    assert not any(one == ("toy:c", "fine_tune") for one in full)


@pytest.mark.parametrize(("votes", "first"), [({}, "toy:a"), ({"toy:a": 0.1, "toy:b": 1.2}, "toy:b")])
def test_between_sources_alike_the_ranking_has_its_say(race, votes, first):
    """Heads see no difference between the two; what the ranking found of each adds to the votes."""
    running, candidates = race((), ("toy:a", "toy:b"))
    running.entrants = replace(running.entrants, votes=votes)
    running.run(candidates, 1e9)
    assert min(running.turn, key=running.turn.get) == first


def test_of_many_baselines_two_go_on_after_the_first_fold(race):
    running, candidates = race()
    more = [Candidate(f"scratch:{name}", "scratch") for name in "abc"]
    for c in more:
        running.sources[c.source] = running.sources["scratch:toy"]
        running.train[c.source] = running.train["scratch:toy"]
        running.paces.costs[c.source] = 0.006
    running.better = {"scratch:b": 0.3, "scratch:c": 0.2, "scratch:a": -0.1}
    found = [c for c in running.run([*candidates, *more], 1e9) if c.baseline]
    assert [(c.source, c.outcome, c.folds) for c in found] == [
        ("scratch:b", "baseline", 2), ("scratch:c", "baseline", 2), ("scratch:toy", "dropped", 1),
        ("scratch:a", "dropped", 1),
    ]  # fmt: skip


def test_votes_are_in_standard_errors_and_none_is_louder_than_three():
    def seen(source, method, values):
        return Candidate(source, method, score=0.5, by_example=tuple(values))

    noisy = [seen("toy:a", "svm", [-0.1, -0.9] * 8), seen("toy:b", "svm", [-0.9, -0.3] * 8)]
    found = voted(noisy)
    assert found["toy:a"] == pytest.approx(-found["toy:b"])
    assert found["toy:a"] == pytest.approx(0.05 / (0.35 / 4))
    assert voted([seen("toy:a", "svm", [-0.1] * 9), seen("toy:b", "svm", [-0.2] * 9)]) == {"toy:a": 3.0, "toy:b": -3.0}
    assert voted(noisy[:1]) == {}
    both = voted([*noisy, seen("toy:a", "logistic", [-0.9, -0.1] * 8), seen("toy:b", "logistic", [-0.9, -0.1] * 8)])
    assert both["toy:a"] == pytest.approx(0.025 / (0.175 / 4))  # the mean of a source's candidates


def test_who_is_hopeless_descends_no_further(race, monkeypatch):
    """After one fold the others of the second rung are behind by 0.04 and more, and none of that is noise."""
    running, candidates = race()
    monkeypatch.setattr("regraft.candidates.HOPELESS", 3.0)
    monkeypatch.setattr("regraft.candidates.ENOUGH", 1)
    found = running.run(candidates, 500.0)
    assert [c.method for c in found if c.outcome == "finished"] == ["gradual", "logistic"]
    assert [fold for method, full, fold in running.log if full and method == "gradual"] == [0, 1, 2]
    assert [fold for method, full, fold in running.log if full and method == "probe_then_tune"] == [0]
    ended = next(c for c in found if c.method == "probe_then_tune")
    assert ended.reason == "ended after fold 1: 0.450 +- 0.000 behind gradual"


def test_folds_come_one_after_the_other(race):
    running, candidates = race()
    running.run(candidates, 500.0)
    full = [fold for method, full, fold in running.log if full and method != "logistic"]
    assert full == sorted(full)


def test_when_time_runs_out_no_descent_is_a_fold_ahead_by_two(race):
    running, candidates = race()
    found = running.run(candidates, 60.0)
    full = {method: sum(m == method and full for m, full, _ in running.log) for method in METHODS[1:]}
    assert 1 in full.values()
    assert set(full.values()) <= {0, 1, 2}
    kept = {c.method: c.folds for c in found if c.outcome == "finished"}
    assert kept.pop("logistic") == 3  # heads are free, and seen on all
    assert set(kept.values()) <= {1, 2}
    assert Canned.now <= 60.0 + max(COST.values())


def test_who_had_no_time_for_a_full_descent_stands_by_the_short_one(race):
    running, candidates = race(("logistic", "probe_then_tune"))
    found = running.run(candidates, 5.0)
    best = next(c for c in found if c.method == "probe_then_tune")
    assert (best.outcome, best.rung, best.criterion) == ("finished", 0, pytest.approx(-0.705, abs=0.01))
    assert found.index(best) == 0


def test_nobody_overtakes_one_who_had_no_time(race):
    """Only the lesser would have had time for a full descent, which looks better than any short one."""
    running, candidates = race(("l2_sp", "fine_tune"))
    running.price = {**COST, "fine_tune": 30.0}
    found = running.run(candidates, 40.0)
    assert not any(full for method, full, _ in running.log if method != "scratch")
    assert (found[0].method, found[0].rung) == ("fine_tune", 0)


@pytest.mark.parametrize(("lead", "first"), [(0.02, "fine_tune"), (0.2, "svm")])
def test_who_is_not_clearly_better_is_not_preferred_to_fine_tuning(race, lead, first):
    """Nine examples, paired differences of spread 0.1: the standard error is 0.033."""
    running, _ = race()
    spread = [0.1 * (-1) ** i * (i < 8) for i in range(9)]
    habit = Candidate("toy:net", "fine_tune", score=0.5, expected=-1.0, by_example=(-1.0,) * 9, folds=1)
    other = tuple(-1.0 + lead + s for s in spread)
    other = replace(habit, method="svm", expected=-1.0 + lead, by_example=other)
    assert running.tie_broken([habit, other])[0].method == first
    raced = [replace(c, outcome="finished") for c in (habit, other)]
    told = why(running, raced, finalists(running, raced)[0])
    assert ("2 candidates tie" in told) == (first == "fine_tune")
    assert told.startswith("svm from toy:net did best in the race") == (first == "fine_tune")


def seen(source: str, method: str, easy: float, hard: float | None = None, **told) -> Candidate:
    """A candidate on four examples of an easy fold, and, unless ``hard`` is None, on four of a hard one."""
    each = (easy,) * 4 + (() if hard is None else (hard,) * 4)
    return Candidate(source, method, score=0.5, criterion=sum(each) / len(each), by_example=each, **told)


def test_who_was_seen_on_the_easy_fold_only_is_not_taken_for_better():
    """Others of its source were 0.6 worse on both folds together; without any, all that were seen on both tell."""
    heads = [seen("a", "svm", -0.2, -1.4), seen("a", "logistic", -0.4, -1.6), seen("b", "svm", -0.5, -0.7)]
    late = [seen("a", "fine_tune", -0.3), seen("c", "fine_tune", -0.3), replace(seen("a", "lora", -0.1), score=None)]
    scratch = seen("a", "scratch", -0.9)
    found = levelled([*heads, *late, scratch])
    assert found[:3] == heads
    assert [c.criterion for c in found[3:5]] == pytest.approx([-0.9, -0.3 - (0.6 + 0.6 + 0.1) / 3])
    assert found[5:] == [late[2], scratch]
    assert levelled([]) == []


def test_among_heads_that_tie_the_best_goes_first_whoever_its_source_is(race):
    running, _ = race(uris=("toy:a", "toy:b"))
    spread = tuple(0.1 * (-1) ** i for i in range(9))
    habit = Candidate("toy:a", "svm", score=0.5, expected=-1.0, by_example=(-1.0,) * 9, folds=1)
    other = replace(habit, source="toy:b", expected=-0.99, by_example=tuple(-0.99 + s for s in spread))
    assert [c.source for c in running.tie_broken([habit, other])] == ["toy:b", "toy:a"]
    tuned = [replace(c, method="fine_tune") for c in (habit, other)]
    assert [c.source for c in running.tie_broken(tuned)] == ["toy:a", "toy:b"]  # of these the first source's


def test_fine_tuning_is_taken_on_trust_only_where_it_sees_each_label_often_enough(race):
    running, _ = race()
    late = Candidate("toy:net", "fine_tune", outcome="skipped", reason="no time")
    examples, batch = len(running.train["toy:net"]), 24
    enough = -(-5 * examples // batch)
    for steps, trusted in ((enough - 1, False), (enough, True)):
        assert running.planned(steps).trusted_untried(late) is trusted
    assert not running.planned(enough).trusted_untried(replace(late, method="l2_sp"))
    assert not running.planned(enough).trusted_untried(replace(late, outcome="failed"))
    running.plan = replace(running.plan, steps=enough, race=False)  # too few steps for any descent
    assert not running.trusted_untried(late)


@pytest.mark.parametrize("tried", [False, True])
def test_who_is_trusted_untried_is_the_finalist(race, tried):
    """Whether nothing was tried at all, or only heads on frozen features were."""
    running, _ = race()
    late = [Candidate("toy:net", name, outcome="skipped", reason="no time") for name in ("svm", "fine_tune", "lora")]
    seen = {"outcome": "finished", "score": 0.9, "expected": -0.3, "by_example": (-0.3,) * 9, "folds": 1}
    head = replace(Candidate("toy:net", "logistic", outcome="skipped"), **(seen if tried else {}))
    found = finalists(running.planned(500), [*late, head])
    assert [c.method for c in found][:2] == ["fine_tune", "logistic"]
    assert "on trust" in why(running.planned(500), [*late, head], found[0])
    assert "training broke down" in why(running.planned(500), [*late, head], found[1])
    assert finalists(running.planned(1), [*late, head])[0].method == "logistic"


def test_what_breaks_down_is_recorded_and_the_race_goes_on(race):
    running, candidates = race(("lora", "fine_tune"))
    found = running.run(candidates, 500.0)
    broken = next(c for c in found if c.method == "lora")
    assert (broken.outcome, broken.reason, broken.score) == ("failed", "not a number", None)
    assert sum(method == "lora" for method, _, _ in running.log) == 1
    assert found[0].method == "fine_tune"


def test_an_interrupted_race_goes_on_where_it_was(race):
    running, candidates = race()
    first = running.run(candidates, 500.0)
    again, candidates = race()
    assert again.run(candidates, 500.0) == first
    assert again.log == []  # nothing was run twice


@pytest.mark.parametrize(("pace", "seeds"), [(0.1, 3), (4.0, 2), (40.0, 1)])
def test_a_cheap_winner_gets_back_the_seeds_that_a_dear_one_was_planned_without(race, pace, seeds):
    """Of 1,000 seconds, scratch takes 100 times its pace a seed and the winner none."""
    running, _ = race()
    running.plan = replace(running.plan, seeds=1, note="small; 3 seeds were asked for, it affords 1")
    seen = {"score": 0.9, "expected": -0.3, "by_example": (-0.3,) * 9, "folds": 1, "pace": pace}
    raced = [Candidate("toy:net", "logistic", outcome="finished", **{**seen, "pace": 0.0})]
    raced += [Candidate("scratch:toy", "scratch", outcome="baseline", **seen)]
    job = Job(SimpleNamespace(train=range(50), holdout=range(50)), Wanted([], [], Opening(), 3, 0.95), running.bench)
    found = job._stretched(running, raced).plan
    assert found.seeds == seeds
    assert found.note == ("small" if seeds == 3 else f"small; 3 seeds were asked for, it affords {seeds}")
    assert found.steps == running.plan.steps


def test_the_same_race_out_of_order(race):
    """Every trial, who is chosen and what is said of each, whichever worker is done first."""
    running, candidates = race()
    alone = running.run(candidates, 500.0)
    files = sorted((running.bench.journal.folder / "journal").glob("race-*.json"))
    for path in files:
        path.unlink()
    again, candidates = race()
    lock = threading.Lock()  # the canned race counts its seconds

    class Racing:
        def __init__(self, number):
            self.random = random.Random(number)

        def do(self, order):
            time.sleep(self.random.uniform(0, 0.01))
            with lock:
                return again.attempt(*order.given)

        def close(self):
            pass

    again.bench = replace(again.bench, crew=Workers(Racing, 3))
    assert timeless(again.run(candidates, 500.0)) == timeless(alone)
    assert sorted((again.bench.journal.folder / "journal").glob("race-*.json")) == files
    again.bench.crew.close()


def timeless(candidates):
    return [(c.source, c.method, c.score, c.by_example, c.outcome, c.folds, c.rung) for c in candidates]
