"""Finalists that answer together: what they predict, when they are taken, and that a stop changes nothing."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from regraft import artifacts
from regraft.backbones.small import Small
from regraft.bench import Bench
from regraft.candidates import Candidate, Entrants, Plan
from regraft.combining import ensembles, rival, settled, team, with_ensembles
from regraft.contributing import fewer, measured
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.data.dataset import whole
from regraft.ensemble import SideBySide, together
from regraft.evaluation import predict
from regraft.finishing import Finish
from regraft.finishing import team as joined
from regraft.model import Model
from regraft.opening import single
from regraft.prediction import adapted
from regraft.preprocessing._several import Several
from regraft.preprocessing.images import Images
from regraft.racing import Race
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime
from regraft.sources import Source
from regraft.tasks._choice import task_for
from regraft.tasks.classification import Classification
from regraft.tasks.multilabel import Multilabel
from regraft.tasks.regression import Regression


@pytest.mark.parametrize(
    "task", [Classification(classes=("a", "b", "c")), Multilabel(classes=("a", "b", "c")), Regression(mean=3.0)]
)
def test_together_outputs_predict_the_mean_of_the_predictions(task):
    outputs = 5 * torch.randn(4, 7, task.outputs, generator=torch.Generator().manual_seed(0))
    wanted = torch.stack([task.predict(each) for each in outputs]).mean(0)
    assert torch.allclose(task.predict(task.together(outputs)), wanted, atol=1e-6)


@dataclass(frozen=True)
class Larger:
    """A backbone that reads its pictures in another way."""

    of: object
    arch: str = "larger"

    @property
    def preprocess(self) -> Images:
        return Images(size=12, mean=(0.3, 0.3, 0.3))

    def build(self, pretrained: bool = True):
        return self.of.build()


def test_networks_that_read_otherwise_predict_the_mean_of_what_each_predicts(toy, tmp_path):
    """The examples are decoded for both, side by side: here two arrays of unlike sizes."""
    task, plain = toy.problem().task, toy.backbone()
    backbones, models = (plain, Larger(plain)), [toy.fresh(seed=seed) for seed in (1, 2)]
    for model in models:
        model.task = task
    rng, examples = np.random.default_rng(0), toy.holdout.examples
    arrays = [rng.integers(0, 256, (len(examples), *b.preprocess.shape)).astype(np.uint8) for b in backbones]
    joined, backbone = together(list(zip(models, backbones, strict=True)))
    each = [
        predict(m, whole(examples, a), b.preprocess, task, Runtime())
        for m, a, b in zip(models, arrays, backbones, strict=True)
    ]
    row = np.concatenate([a.reshape(len(a), -1) for a in arrays], 1)
    found = predict(joined, whole(examples, row), backbone.preprocess, task, Runtime())
    assert backbone.preprocess.shape == row.shape[1:]
    np.testing.assert_allclose(found, np.mean(each, 0), atol=1e-6)


@pytest.fixture
def bench(tmp_path):
    journal = Journal(tmp_path)
    return Bench(journal, Clock(journal, None), Reporter(), Runtime(threads=1), False, 0, None)


def _source(toy, uri: str) -> Source:
    return Source(uri, toy.backbone(), toy.trained, None, False, {}, Runtime(threads=1), Runtime(threads=1), (1.0, 1.0))


@pytest.fixture
def race(toy, bench):
    sources = [_source(toy, "toy:a"), _source(toy, "toy:b")]
    data = toy.draw("target", 24)
    entrants = Entrants(sources, {}, (), [_source(toy, "scratch:toy")])
    return Race(
        entrants,
        {s.uri: data for s in (*sources, *entrants.baselines)},
        Plan(100, 3, 3),
        {"toy:a": 1, "toy:b": 2},
        bench,
    )


def _scored(race: Race, source: str, method: str, right: float, rung: int = 1) -> Candidate:
    """A candidate that gives ``right`` to the true class, but to the next one on each sixth; l2_sp errs on others."""
    data, valid = race.train[source], np.concatenate([rows for _, rows in race.splits])
    many, task = len(data.classes), task_for(data.examples)
    given = np.where(np.arange(len(valid)) % 6 == 3 * (method == "l2_sp"), 1 - right, right)
    outputs = np.zeros((len(valid), many), np.float32)
    outputs[np.arange(len(valid)), data.labels[valid]] = given
    outputs[np.arange(len(valid)), (data.labels[valid] + 1) % many] = 1 - given
    ends = np.cumsum([len(rows) for _, rows in race.splits])[:-1]
    parts = zip(np.split(outputs, ends), race.splits, strict=True)
    each = np.concatenate([task.criterion(part, data.labels[rows]) for part, (_, rows) in parts])
    score = float(each.mean())
    each = tuple(np.round(each, 4).tolist())
    return Candidate(source, method, score=score, criterion=score, expected=score - 0.1, by_example=each,
                     folds=3, rung=rung, outcome="finished", outputs=outputs, pace=0.5)  # fmt: skip


def test_an_ensemble_is_what_its_members_predicted_out_of_fold_together(race):
    """Each is sure of a wrong class where the other is right: together they are surely wrong nowhere."""
    one, other = _scored(race, "toy:a", "fine_tune", 0.9), _scored(race, "toy:b", "l2_sp", 0.9)
    (pair,) = ensembles(race, [one, other])
    assert (pair.source, pair.method) == ("toy:a and toy:b", "fine_tune with l2_sp")
    assert one.criterion == pytest.approx(other.criterion)
    assert pair.criterion > one.criterion
    assert pair.score == pytest.approx(5 / 6, abs=0.2)  # an even bet counts as won by the first class
    assert pair.expected == pytest.approx(
        pair.criterion - 0.1, abs=1e-4
    )  # what its members lose to others, it loses too
    assert race.seconds(pair, 2) == 2 * race.seconds(one, 1) + 2 * race.seconds(other, 1)


def test_the_largest_ensemble_is_kept_that_is_affordable_and_not_clearly_worse(race):
    one, other = _scored(race, "toy:a", "fine_tune", 0.9), _scored(race, "toy:b", "l2_sp", 0.9)
    found = ensembles(race, [one, other, _scored(race, "toy:a", "joint", 0.9)])
    assert [len(c.members) for c in found] == [3, 2]
    assert [c.outcome for c in settled(one, found, [True, True])] == ["finished", "dropped"]
    late, kept = settled(one, found, [False, True])
    assert (late.outcome, kept.outcome) == ("dropped", "finished")
    assert "no time" in late.reason
    worse = replace(found[0], by_example=tuple(x - 1.0 for x in one.by_example))
    assert [c.outcome for c in settled(one, [worse], [True])] == ["dropped"]
    (same,) = settled(one, ensembles(race, [one, replace(one, source="toy:b")]), [True])
    assert (same.outcome, same.reason) == ("finished", "+0.000 +- 0.000 to fine_tune alone")


def test_a_team_is_of_the_first_two_sources_and_nobody_in_it_is_clearly_worse(race):
    kinds = ("fine_tune", "joint", "svm", "logistic", "lora")
    raced = [replace(_scored(race, f"toy:{s}", kind, 0.9), rung=int(kind[0] in "fj")) for s in "ab" for kind in kinds]
    raced[2] = replace(raced[2], expected=-0.9)  # the lesser head of toy:a
    raced[8] = replace(raced[8], expected=-0.9)  # and of toy:b
    for uris in (["toy:a", "toy:b"], ["toy:b", "toy:a"]):
        race.turn = {uri: turn for turn, uri in enumerate(uris)}
        head = "svm" if uris[0] == "toy:b" else "logistic"
        wanted = [(uris[0], "joint"), (uris[0], head), (uris[1], "fine_tune")]
        assert [(c.source, c.method) for c in team(race, raced)] == wanted
    race.turn = {"toy:a": 0, "toy:b": 1}
    joint = raced[1]
    lost = replace(joint, by_example=tuple(x - 1.0 for x in joint.by_example), expected=-1.2)
    for other in (lost, replace(joint, outputs=None), replace(joint, rung=0)):  # worse, silent, only tried short
        assert team(race, [raced[0], other, *raced[2:]])[0] == raced[0]


@pytest.mark.parametrize("asked", [True, False])
def test_several_answer_together_only_where_that_is_wanted(race, asked):
    scratch = Candidate("scratch:toy", "scratch", pace=0.5, first=0.3, outcome="baseline")
    raced = [_scored(race, "toy:a", "fine_tune", 0.9), _scored(race, "toy:b", "fine_tune", 0.9), scratch]
    race.entrants = replace(race.entrants, together=asked)
    found = with_ensembles(race, raced, lambda *_: True)
    assert [len(c.members) for c in found if not c.baseline] == [0, 0, *[2] * asked]
    assert next(c for c in found if c.baseline).times == (2 if asked else 1)


@pytest.mark.parametrize(
    ("methods", "many", "times"),
    [(["fine_tune", "svm"], 1, 1), (["fine_tune", "fine_tune"], 1, 2), (["fine_tune"] * 3, 1, 3),
     (["joint", "svm", "fine_tune"], 1, 3), (["fine_tune", "fine_tune", "joint"], 2, 2),
     (["joint", "joint", "fine_tune"], 2, 3)],
)  # fmt: skip
def test_scratch_gets_as_much_time_as_an_ensemble_or_a_little_more(race, methods, many, times):
    scratch = Candidate("scratch:toy", "scratch", pace=0.5, first=0.3, outcome="baseline")
    ensemble = Candidate("toy:a", "all", members=tuple(Candidate("toy:a", name) for name in methods))
    found = rival(race, scratch, ensemble)
    assert (len(found.members) or 1, found.times) == (many, times)
    assert race.seconds(found, 3) == pytest.approx(many * times * race.seconds(scratch, 3))
    assert len({c.draw for c in found.members}) == len(found.members)
    assert found.first == scratch.first


THREE = Candidate("toy:a and toy:b", "three")


def _team(toy, bench):
    network = Small(size=8)
    torch.manual_seed(0)
    model = Model(network.build(), nn.Identity(), ())
    sources = [replace(_source(toy, uri), backbone=network, model=model) for uri in ("toy:a", "toy:b")]
    parts = [Finish(source, toy.draw("target", 4), None, bench) for source in sources]
    return joined("toy:a and toy:b", [(part, "fine_tune", 2) for part in (*parts, parts[0])])


def test_an_interrupted_ensemble_trains_to_the_same(toy, bench, tmp_path, monkeypatch):
    whole_team = _team(toy, bench)
    assert whole_team.train(THREE, 2, 1) == 1
    weights = [m.state_dict() for m, _ in whole_team.load("three", 0).members]
    journal = Journal(tmp_path / "again")
    again, made = _team(toy, replace(bench, journal=journal)), []
    make = Finish.make

    def once(self, name, steps, seed):
        made.append(self.source.uri)
        if len(made) == 2:
            raise KeyboardInterrupt
        make(self, name, steps, seed)

    monkeypatch.setattr(Finish, "make", once)
    with pytest.raises(KeyboardInterrupt):
        again.train(THREE, 2, 1)
    assert again.train(THREE, 2, 1) == 1
    resumed = [m.state_dict() for m, _ in again.load("three", 0).members]
    assert all(torch.equal(a[k], b[k]) for a, b in zip(weights, resumed, strict=True) for k in a)
    assert not torch.equal(weights[0]["head.weight"], weights[2]["head.weight"])  # equal parts have draws of their own


def test_a_saved_ensemble_is_the_mean_of_its_parts_and_no_source(toy, bench, tmp_path):
    trained = _team(toy, bench)
    trained.train(THREE, 2, 1)
    holdout, task = toy.holdout, trained.problem(0).task
    found = trained.measure("three", 1, holdout).outputs[0]
    each = [
        predict(part.load(name, 0), holdout, part.source.backbone.preprocess, task, Runtime(threads=1))
        for part, name, _ in trained.parts
    ]
    np.testing.assert_allclose(found, np.mean(each, 0), atol=1e-6)
    folder = tmp_path / "journal" / "finish-three-0"
    with pytest.raises(UserError, match="networks that answer together"):
        single(folder)
    assert single(folder / "member-1")[0].classes == toy.holdout.classes
    with pytest.raises(UserError, match="adapt one of them"):
        adapted(artifacts.load(folder)[0], trained.source.backbone, holdout, Runtime(threads=1), "adabn")


def test_what_members_and_their_sources_contribute_is_told_without_training_anything(toy, bench):
    trained = _team(toy, bench)
    trained.train(THREE, 2, 2)
    variants = fewer(trained, lambda _: toy.holdout)
    names = ["fine_tune from toy:a", "fine_tune from toy:b", "the source toy:a"]
    assert [one.part for one, _ in variants] == names
    ours, task = trained.measure("three", 2, toy.holdout), trained.problem(0).task
    rows = measured(variants, ours, 0.95, 0.0)
    alone = trained.parts[1][0].measure("fine_tune", 2, toy.holdout).outputs  # that of toy:b
    wanted = np.mean([task.utility(each, toy.holdout.labels) for each in alone])
    assert rows[2]["without"] == pytest.approx(wanted)
    assert rows[2]["gain"]["mean"] == pytest.approx(ours.utility.mean() - wanted)


@dataclass(frozen=True)
class Placed(Images):
    """Like `Images`, from a place of its own, as a tokenizer is."""

    place: str = ""

    @property
    def key(self) -> str:
        return f"{super().key}-{self.place}"


def test_saved_parts_that_read_from_places_of_their_own_read_what_the_team_reads(toy, bench, monkeypatch):
    """The team decodes once for all; its parts, loaded, would each look for columns of their own."""
    trained = _team(toy, bench)
    trained.train(THREE, 2, 1)
    wanted = trained.measure("three", 1, toy.holdout).outputs[0]
    load = artifacts.load

    def placed(folder):
        model, backbone = load(folder)
        if model.members:
            apart = Several(tuple(Placed(size=8, place=str(i)) for i in range(3)))
            model.backbone = SideBySide([one.backbone for one, _ in model.members], apart)
        return model, backbone

    monkeypatch.setattr(artifacts, "load", placed)
    preprocess, task = trained.source.backbone.preprocess, trained.problem(0).task
    found = predict(trained.load("three", 0), toy.holdout, preprocess, task, Runtime(threads=1))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
