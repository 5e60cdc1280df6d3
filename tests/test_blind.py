"""A target without labels: what is prepared, what may race, and who wins."""

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from regraft import artifacts, lessons
from regraft.bench import Bench
from regraft.blind import BlindRace, check, unnamed
from regraft.candidates import AtHand, Candidate, Entrants, Plan, refuse
from regraft.choosing import finalists, say_left_out, why
from regraft.combining import with_ensembles
from regraft.core import catalog
from regraft.core.errors import CandidateError, UserError
from regraft.core.progress import Reporter
from regraft.model import Model
from regraft.preparing import Request, prepare
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime
from regraft.sources import Source

SCORES = {"source_only": 0.6, "adabn": 0.7, "tent": 0.9, "deep_coral": 0.8}


class Canned(BlindRace):
    """What the selector says of each method is known; shot breaks down."""

    def _validate(self, candidate, steps, fold):
        if candidate.method == "shot":
            raise CandidateError("not a number")
        return {"score": SCORES[candidate.method], "pace": 0.0}


@pytest.fixture
def race(toy, tmp_path):
    model = Model(toy.backbone().build(), nn.Identity(), ())
    source = Source("toy:net", toy.backbone(), model, None, False, {}, Runtime(), Runtime(), (0.0, 0.0))
    journal = Journal(tmp_path)
    bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(), False, 0, Path(tmp_path))
    data = toy.draw("unlabeled", 6).unlabelled()
    entrants = Entrants([source], {"toy:net": data}, (), [source], select="nuclear_norm")
    return Canned(entrants, {"toy:net": data}, Plan(10, 3, 3), {"toy:net": 1}, bench)


def test_the_best_score_wins_and_what_broke_down_is_told(race):
    names = ("source_only", "shot", "adabn", "tent", "deep_coral")
    found = race.run([Candidate("toy:net", name) for name in names], 1e9)
    assert {c.method: c.outcome for c in found} == {
        "source_only": "baseline", "shot": "failed", "adabn": "finished", "tent": "finished", "deep_coral": "finished",
    }  # fmt: skip
    assert {c.method: c.score for c in found if c.score is not None} == SCORES
    best = finalists(race, found)
    assert [c.method for c in best] == ["tent", "deep_coral", "adabn"]
    assert why(race, found, best[0]) == ""
    assert "not a number" in next(c.reason for c in found if c.method == "shot")


def test_where_everything_breaks_down_nothing_answers_together(race):
    raced = [Candidate("toy:net", "source_only", outcome="baseline"), Candidate("toy:net", "kmm", outcome="failed")]
    assert with_ensembles(race, raced, lambda *_: True) == raced


class Heard(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_what_was_asked_for_and_fits_no_source_is_said_once(race):
    sources = [replace(race.entrants.sources[0], uri=uri) for uri in ("toy:a", "toy:b")]
    unlabeled = dict.fromkeys(("toy:a", "toy:b"), race.entrants.unlabeled["toy:net"])
    asked = replace(race.entrants, sources=sources, unlabeled=unlabeled, methods=("fine_tune", "adabn"))
    heard = Heard()
    say_left_out(heard, asked.methods, *asked.line_up())
    assert heard.lines == ["fine_tune is left out: it learns from labels, and there are none; shot needs none"]


def test_without_time_nothing_is_tried_and_nothing_trusted(race):
    found = race.run([Candidate("toy:net", "deep_coral")], -1.0)
    assert (found[0].outcome, found[0].score) == ("skipped", None)
    assert not race.trusted_untried(Candidate("toy:net", "fine_tune", outcome="skipped"))


def test_only_methods_that_can_do_without_labels_line_up(race):
    ready, out = race.entrants.line_up()
    assert ready
    assert all(catalog.find("methods", c.method).raced_blind for c in ready)
    assert ready[0].method == "shot"  # where time is short it is the one that is tried
    asked = replace(race.entrants, methods=("fine_tune", "adabn"))
    ready, out = asked.line_up()
    assert [c.method for c in ready] == ["adabn"]
    assert "there are none" in out[0]["reason"]


def test_what_works_through_batch_normalisation_is_left_out_where_there_is_none(race, toy):
    """Networks for texts and tables have none; a line says so, and no candidate fails."""
    source = replace(race.entrants.sources[0], model=toy.fresh(toy.backbone(norm=False)))
    ready, out = replace(race.entrants, sources=[source]).line_up()
    assert "adabn" not in {c.method for c in ready}
    assert {c.method for c in ready} == {c.method for c in race.entrants.line_up()[0]} - {"adabn"}
    said = {one["method"]: one["reason"] for one in out}
    assert said["adabn"] == "it works through batch normalisation, and this network has none"


def test_asking_for_labels_only_is_refused_at_once():
    with pytest.raises(UserError, match="fine_tune: it learns from labels, and there are none"):
        refuse(["fine_tune"], AtHand(True, False, blind=True))
    refuse(["fine_tune", "adabn"], AtHand(True, False, blind=True))


@pytest.mark.parametrize("name", ["nuclear_norm", "source_validation"])
def test_no_label_of_the_target_is_read(name, race, toy):
    """The real thing: the data carry none; a rule that looks at the source gets what the source has, or fails."""
    problem = toy.problem()
    source = replace(race.entrants.sources[0], model=toy.trained, domain=problem.source)
    trained = replace(race.entrants, sources=[source], baselines=[source], select=name)
    real = BlindRace(trained, race.train, Plan(4, 3, 3), {"toy:net": 1}, race.bench)
    found = real.run([Candidate("toy:net", "source_only"), Candidate("toy:net", "tent")], 1e9)
    assert all(0 < c.score <= 1 for c in found)
    with pytest.raises(ValueError, match="no labels"):
        _ = race.train["toy:net"].labels


def test_a_selector_that_cannot_score_fails_the_candidate_only(race, toy):
    source = replace(race.entrants.sources[0], model=toy.trained)  # without its data
    trained = replace(race.entrants, sources=[source], baselines=[source], select="source_validation")
    real = BlindRace(trained, race.train, Plan(4, 3, 3), {"toy:net": 1}, race.bench)
    (found,) = real.run([Candidate("toy:net", "source_only")], 1e9)
    assert found.outcome == "failed"
    assert "'source_validation' cannot score it: this problem has no source examples" in found.reason


def test_selectors_stand_beside_the_oracle_when_all_is_judged(race, toy, monkeypatch):
    entry = artifacts.entry
    toys = lambda kind, value: toy.backbone() if kind == "backbones" else entry(kind, value)  # noqa: E731
    monkeypatch.setattr(artifacts, "entry", toys)
    problem = toy.problem()
    source = replace(race.entrants.sources[0], model=toy.trained, domain=problem.source)
    trained = replace(race.entrants, sources=[source], baselines=[source])
    real = BlindRace(trained, race.train, Plan(4, 3, 3), {"toy:net": 1}, race.bench)
    raced = real.run([Candidate("toy:net", name) for name in ("source_only", "tent", "shot", "mcc")], 1e9)
    found = lessons.hindsight(real, raced, lambda _: toy.holdout)
    assert found["compared"] == 3  # the source as it is was not raced against
    model = real.model(next(c for c in raced if c.method == found["oracle"]["method"]))
    assert found["oracle"]["utility"] == pytest.approx(toy.accuracy(model))
    rows = {row["selector"]: row for row in found["selectors"]}
    assert rows["nuclear_norm"]["method"] == finalists(real, raced)[0].method  # the race's own choice
    assert all(row["utility"] == pytest.approx(found["oracle"]["utility"] - row["regret"]) for row in rows.values())
    assert rows["source_validation"]["labels"] == "those of the source"
    assert not {"last", "target_validation"} & set(rows)
    without = replace(trained, sources=[replace(source, domain=None)], baselines=[])
    alone = BlindRace(without, race.train, Plan(4, 3, 3), {"toy:net": 1}, race.bench)
    told = {row["selector"]: row for row in lessons.hindsight(alone, raced, lambda _: toy.holdout)["selectors"]}
    assert told["source_validation"]["reason"] == "this problem has no source examples"
    assert told["nuclear_norm"]["utility"] == rows["nuclear_norm"]["utility"]
    real.forget(raced)
    assert not list(race.bench.journal.path("").glob("*-model"))
    assert lessons.hindsight(real, raced[:1], lambda _: toy.holdout) == {}


def test_selectors_that_could_not_choose_are_refused():
    with pytest.raises(UserError, match=r"target_validation reads .*; without labels take one of .*nuclear_norm"):
        check("target_validation")
    with pytest.raises(UserError, match="last compares no models"):
        check("last")
    with pytest.raises(UserError, match="nuclear_norm"):
        check("nuclear_nrm")


def test_the_labels_of_the_target_only_judge(tmp_path: Path) -> None:
    text = "text,label\n" + "".join(f"{w} {i},{y}\n" for i in range(6) for w, y in (("card", "money"), ("bus", "way")))
    (tmp_path / "target.csv").write_text(text)
    found = prepare(Request(tmp_path / "target.csv", None, None, 0, 0), Reporter())
    assert found.blind
    assert found.train.labels is None
    assert found.train.classes == ("money", "way")
    assert len(found.holdout) == 12
    assert found.unlabeled is found.train
    assert "12 of the unlabelled texts are also in the holdout" in found.facts["protocol"]


def test_without_labels_there_are_classes_only(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("a,label\n" + "".join(f"{i},{i / 7}\n" for i in range(20)))
    with pytest.raises(UserError, match=r"option 'shots' is 0.*numbers.csv holds numbers"):
        prepare(Request(tmp_path / "numbers.csv", None, None, 0, 0), Reporter())


def rows(path: Path, names: tuple[str, ...], start: int = 0) -> Path:
    path.write_text("text,label\n" + "".join(f"{n} {i},{n}\n" for i in range(start, start + 4) for n in names))
    return path


def test_what_is_given_without_labels_is_learned_from_and_the_target_too_unless_it_judges(tmp_path: Path) -> None:
    target, test = rows(tmp_path / "a.csv", ("card", "bus")), rows(tmp_path / "b.csv", ("card", "bus"), 10)
    more = rows(tmp_path / "c.csv", ("card", "bus"), 20)
    assert len(prepare(Request(target, None, more, 0, 0), Reporter()).train) == 8
    both = prepare(Request(target, test, more, 0, 0), Reporter())
    assert (len(both.train), len(both.holdout), both.facts["examples"]["train"]) == (16, 8, 0)
    assert both.train.classes == ("bus", "card")


def test_sources_that_do_not_name_the_classes_are_refused_before_any_work(tmp_path: Path) -> None:
    target = rows(tmp_path / "a.csv", ("card", "bus"))
    files = [rows(tmp_path / f"{n}.csv", ("card", n), 30) for n in ("train", "plane")]
    sources = tuple(f"data:{file}" for file in files)
    found = prepare(Request(target, None, None, 0, 0, sources=sources), Reporter())
    with pytest.raises(UserError, match=r"train.csv does not name the class 'bus'; .*plane.csv does not name"):
        unnamed(found.given, sources, found.train)
    unnamed(found.given, (*sources, "timm:resnet18"), found.train)
    unnamed(found.given, sources, found.train, ["osbp?weight=0.5"])  # what the source does not name is unknown to it
    with pytest.raises(UserError, match="does not name the class"):
        unnamed(found.given, sources, found.train, ["shot"])


def test_one_example_a_class_is_enough_to_judge_by(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nmy card,card\nthe bus,bus\n")
    assert len(prepare(Request(tmp_path / "a.csv", None, None, 0, 0), Reporter()).holdout) == 2
