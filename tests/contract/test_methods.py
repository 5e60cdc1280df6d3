"""Laws of every method."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from regraft import training
from regraft.core import catalog
from regraft.core.batch import Stream
from regraft.core.config import build, to_plain
from regraft.core.errors import CandidateError
from regraft.data.dataset import Dataset, Domain
from regraft.feeding import Feed
from regraft.heads._layers import plan, rebuilt
from regraft.methods._base import Labels, Method, Need
from regraft.methods.feature._adapted import Adapted
from regraft.model import Model, Problem
from regraft.optimisation import Descent
from regraft.tasks._choice import task_for
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Phase

EVERY = [n for n in catalog.names("methods") if "image" in catalog.find("methods", n).kinds]
NAMES = [n for n in EVERY if Labels.CLASSES in catalog.find("methods", n).labels]
NUMERIC = [n for n in EVERY if Labels.NUMBERS in catalog.find("methods", n).labels]
SETS = [n for n in EVERY if Labels.SETS in catalog.find("methods", n).labels]
WITHOUT = [n for n in EVERY if not catalog.find("methods", n).labels]
ADAPTED = [n for n in NAMES if issubclass(catalog.find("methods", n), Adapted)]


def apart(names: list[str]) -> list[str]:
    """Of methods that differ in one term only, what a run tries by itself: terms have laws of their own."""
    return [n for n in names if n not in ADAPTED or catalog.find("methods", n).raced]


HANDS = {Stream.SOURCE: Need.SOURCE_DATA, Stream.UNLABELED: Need.UNLABELED, Stream.TWIN: Need.UNLABELED}
STEPS = 24
FEW = 6
"""Steps that show whether draws repeat: more than an epoch of every stream, and some in every phase."""

LABEL_FREE = [n for n in EVERY if catalog.files("methods")[n].parent.name in ("source_free", "self_training")]


def numbered(dataset: Dataset) -> Dataset:
    """The same pictures with a number to predict: how bright they are."""
    bright = dataset.arrays[dataset.rows].reshape(len(dataset), -1).mean(1).astype(np.float64)
    return replace(dataset, examples=replace(dataset.examples, labels=bright, classes=()))


def of_numbers(problem: Problem) -> Problem:
    """A problem with numbers as labels on every side."""
    target, source = problem.target, problem.source
    target = replace(target, train=numbered(target.train), validation=numbered(target.validation))
    task = task_for(target.train.examples)
    return replace(problem, task=task, target=target, source=replace(source, train=numbered(source.train)))


def labelled(dataset: Dataset) -> Dataset:
    """The same pictures with label sets: two of three labels each, or none."""
    sets = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 0]])[dataset.labels]
    return replace(dataset, examples=replace(dataset.examples, labels=sets, classes=("leg", "eye", "tail")))


def of_sets(problem: Problem, source: bool) -> Problem:
    """A problem with label sets in the target, and in the ``source`` or not."""
    target = replace(problem.target, train=labelled(problem.target.train), validation=None)
    known = problem.source if not source else replace(problem.source, train=labelled(problem.source.train))
    return replace(problem, task=task_for(target.train.examples), target=target, source=known)


def make(name: str, steps: int = STEPS) -> Method:
    return catalog.find("methods", name)().with_steps(steps)


def transfer(method: Method, problem):
    return training.run(problem.source_model, method.phases(problem), problem)


@pytest.mark.parametrize("name", EVERY)
def test_phases_are_data(name, toy):
    phases = make(name).phases(toy.problem())
    assert phases
    for phase in phases:
        again = build(Phase, to_plain(phase))
        assert again == phase
        assert to_plain(again) == to_plain(phase)


@pytest.mark.parametrize("name", EVERY)
def test_phases_share_the_steps(name, toy):
    method = make(name, 40)
    if not method.descends:
        assert all(not phase.terms for phase in method.phases(toy.problem()))
        assert method.with_steps(7) == method
        return
    assert 30 <= sum(phase.descent.steps for phase in method.phases(toy.problem()) if phase.terms) <= 40


@pytest.mark.parametrize("name", NAMES)
def test_training_learns_and_leaves_the_source_model_alone(name, toy, same):
    problem = toy.problem()
    before = deepcopy(problem.source_model)
    model = transfer(make(name), problem)
    assert same(problem.source_model, before)
    assert model is not problem.source_model
    assert model.classes == problem.target.train.classes
    assert not model.training
    assert toy.accuracy(model) > 0.5  # chance is 0.25
    features = torch.randn(5, 24)
    assert torch.equal(rebuilt(plan(model.head), model.head.state_dict())(features), model.head(features))


@pytest.mark.parametrize("name", EVERY)
def test_equal_seeds_give_equal_models_and_other_seeds_others(name, toy, same):
    problem, method = toy.problem(), make(name, FEW)
    problem = problem if name not in NUMERIC or name in NAMES else of_numbers(problem)
    first, second = transfer(method, problem), transfer(method, problem)
    assert same(first, second)
    if method.descends:
        assert not same(first, transfer(method, replace(problem, seed=1)))


@pytest.mark.parametrize("name", EVERY)
def test_needs_are_declared(name, toy):
    method = make(name)
    streams = frozenset().union(*(phase.needs for phase in method.phases(toy.problem())))
    assert {HANDS[stream] for stream in streams - {Stream.TARGET}} <= method.needs | method.uses
    assert not method.needs & method.uses


@pytest.mark.parametrize("name", EVERY)
def test_only_declared_streams_are_read(name, toy, monkeypatch):
    """Without what it does not need a method trains all the same; its batches carry only the labels it may see."""
    method, problem = make(name, 3), toy.problem()
    if Need.SOURCE_DATA not in method.needs:
        problem = replace(problem, source=None)
    if Need.UNLABELED not in method.needs:
        problem = replace(problem, target=replace(problem.target, unlabeled=None))
    seen = {}
    original = Feed.batch

    def watch(feed, step):
        batch = original(feed, step)
        seen.setdefault(feed.stream, []).append(batch.targets is None)
        return batch

    monkeypatch.setattr(Feed, "batch", watch)
    transfer(method, replace(problem, target=replace(problem.target, validation=None)))
    assert all(
        withheld is (stream.drawn_like is Stream.UNLABELED) for stream, all_ in seen.items() for withheld in all_
    )


@pytest.mark.parametrize("name", [n for n in NAMES if Need.SOURCE_DATA in catalog.find("methods", n).needs])
def test_a_missing_source_is_an_error(name, toy):
    problem = replace(toy.problem(), source=None)
    with pytest.raises(ValueError, match="no source examples"):
        transfer(make(name), problem)


@pytest.mark.parametrize("name", [n for n in EVERY if Need.UNLABELED in catalog.find("methods", n).needs])
def test_labels_that_a_method_must_not_see_are_absent(name, toy):
    problem = toy.problem()
    with pytest.raises(ValueError, match="no labels"):
        _ = problem.target.unlabeled.labels
    with pytest.raises(ValueError, match="no unlabeled examples"):
        transfer(make(name), replace(problem, target=replace(problem.target, unlabeled=None)))


def test_l2_sp_without_its_penalty_is_fine_tuning(toy, same):
    problem, descent = toy.problem(), Descent(steps=12, weight_decay=0.0)
    plain = catalog.find("methods", "fine_tune")(descent=descent)
    penalised = catalog.find("methods", "l2_sp")
    assert same(transfer(plain, problem), transfer(penalised(descent=descent, weight=0.0), problem))
    assert not same(transfer(plain, problem), transfer(penalised(descent=descent, weight=0.1), problem))


@pytest.fixture(scope="module")
def silent(toy):
    """The model of an adapting method whose terms weigh nothing."""

    @cache
    def trained(name: str) -> Model:
        problem = toy.problem()
        phases = make(name, 4).phases(problem)
        kept = {"source": Weighted(term=Supervised(stream=Stream.SOURCE)), "task": phases[0].terms["task"]}
        weightless = {n: replace(w, weight=0.0) for n, w in phases[0].terms.items() if n != "task"}
        terms = kept | {f"{n} without weight": w for n, w in weightless.items()}
        return training.run(problem.source_model, (replace(phases[0], terms=terms),), problem)

    return trained


@pytest.mark.parametrize("name", [n for n in ADAPTED if n != "deep_coral"])
def test_what_adapts_with_weight_zero_changes_nothing(name, silent):
    """But what comes of forwarding the target, which all of them do; norms of more gradients round differently."""
    one, other = silent(name).state_dict(), silent("deep_coral").state_dict()
    assert all(torch.allclose(one[n], other[n], atol=1e-6) for n in other)


def test_a_large_penalty_keeps_the_weights(toy):
    problem, descent = toy.problem(), Descent(steps=30, weight_decay=0.0)
    penalised = catalog.find("methods", "l2_sp")
    moved = []
    for weight in (0.0, 1.0, 100.0):
        model = transfer(penalised(descent=descent, weight=weight), problem)
        pairs = zip(model.backbone.parameters(), problem.source_model.backbone.parameters(), strict=True)
        moved.append(sum((a - b).detach().square().sum().item() for a, b in pairs))
    assert moved[0] > moved[1] > moved[2]


def test_a_joint_objective_may_have_a_regulariser_of_any_term(toy, same):
    """Of weight 0 it changes nothing, of a large one it keeps the weights."""
    problem, joint = toy.problem(), catalog.find("methods", "joint")
    build_joint = lambda **options: build(joint, {"descent": {"steps": 12, "weight_decay": 0.0}, **options})  # noqa: E731
    plain = transfer(build_joint(), problem)
    assert same(plain, transfer(build_joint(regulariser={"term": "stay_close", "weight": 0.0}), problem))
    kept = transfer(build_joint(regulariser={"term": "stay_close", "weight": 100.0}), problem)
    moved = []
    for model in (kept, plain):
        pairs = zip(model.backbone.parameters(), problem.source_model.backbone.parameters(), strict=True)
        moved.append(sum((a - b).detach().square().sum().item() for a, b in pairs))
    assert moved[0] < 0.5 * moved[1]


@pytest.mark.parametrize("options", [{"learned": True}, {"ramp": 0.5}, {"shared": False}])
def test_weights_and_heads_of_a_joint_objective(options, toy, same):
    problem, joint = toy.problem(), catalog.find("methods", "joint")
    descent = Descent(steps=STEPS, average=0.9)
    model = transfer(joint(descent=descent, **options), problem)
    assert not same(model, transfer(joint(descent=descent), problem))
    assert toy.accuracy(model) > 0.5
    assert model.classes == problem.target.train.classes


def test_lora_gives_back_the_architecture(toy):
    model = transfer(make("lora", 3), toy.problem())
    assert [n for n, _ in model.backbone.named_parameters()] == [n for n, _ in toy.trained.backbone.named_parameters()]


def test_gradual_ends_with_everything_free_and_starts_with_the_head(toy):
    problem = toy.problem()
    phases = make("gradual").phases(problem)
    torch.manual_seed(0)
    model, free = deepcopy(problem.source_model), []
    for phase in phases:
        for edit in phase.edits:
            model = edit.apply(model, problem)
        free.append(sum(p.requires_grad for p in model.backbone.parameters()))
    assert free[0] == 0
    assert free == sorted(free)
    assert free[-1] == len(list(model.backbone.parameters()))


@pytest.mark.parametrize("name", EVERY)
def test_a_method_that_predicts_nothing_needs_unlabelled_examples_and_nothing_else(name):
    method = catalog.find("methods", name)
    assert method.labels <= set(Labels)
    assert method.labels or method.needs == {Need.UNLABELED}


@pytest.mark.parametrize("name", WITHOUT)
def test_without_labels_the_backbone_learns_from_unlabelled_examples_only(name, toy, same):
    """No label is there to read; equal seeds give equal weights, and the head is left as it was."""
    problem, method = toy.problem(), make(name, FEW)
    blind = replace(problem.target, train=problem.target.unlabeled, validation=None)
    first, second = (transfer(method, replace(problem, target=blind, source=None)) for _ in range(2))
    assert same(first, second)
    assert same(first.head, problem.source_model.head)
    moved = zip(first.backbone.parameters(), problem.source_model.backbone.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in moved)


def unlabelled(problem: Problem) -> Problem:
    """No labelled target examples at all."""
    target = replace(problem.target, train=problem.target.train.take([]).unlabelled(), validation=None)
    return replace(problem, target=target)


@pytest.mark.parametrize("name", LABEL_FREE)
def test_without_target_labels_the_source_head_is_adapted(name, toy, same):
    """Whatever the order of the source's classes, and also without the source's data."""
    problem, method = unlabelled(toy.problem()), make(name)
    before = deepcopy(problem.source_model)
    first = transfer(method, problem)
    assert same(first, transfer(method, problem))
    assert same(problem.source_model, before)
    assert not same(first.backbone, before.backbone)
    assert toy.accuracy(first) > 0.5
    alone = transfer(method, replace(problem, source=None))
    turned = replace(problem, source=None, source_model=renamed(before, [3, 0, 2, 1]))
    adapted = transfer(method, turned)
    assert adapted.classes == first.classes
    pairs = zip(adapted.parameters(), alone.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in pairs)


def renamed(model, order: list[int]):
    """The same model with its classes in another order."""
    other = deepcopy(model)
    other.classes = tuple(model.classes[i] for i in order)
    other.head.weight.data, other.head.bias.data = model.head.weight.data[order], model.head.bias.data[order]
    return other


@pytest.mark.parametrize("name", LABEL_FREE)
def test_without_target_labels_the_source_must_name_the_classes(name, toy):
    other = deepcopy(toy.trained)
    other.classes = ("ant", "bee", "cat", "eel")
    with pytest.raises(CandidateError, match="does not name the class 'dog'"):
        transfer(make(name, 2), unlabelled(toy.problem(source_model=other, source=None)))


@pytest.mark.parametrize("name", apart(NUMERIC))
def test_numbers_are_learned(name, toy, same):
    problem = of_numbers(toy.problem())
    assert same(*(transfer(make(name, FEW), problem) for _ in range(2)))
    first = transfer(make(name, 40), problem)
    assert first.task == problem.task
    assert first.classes == ()
    with torch.no_grad():
        x = problem.backbone.preprocess.tensor(problem.target.train.arrays[problem.target.train.rows])
        found = problem.task.predict(first(x)).numpy()
    assert (
        problem.task.utility(found, problem.target.train.labels).mean() > -0.7
    )  # the mean of the labels has about -0.8


@pytest.mark.parametrize(
    ("name", "alike"), [*((name, False) for name in apart(SETS)), ("joint", True), ("fine_tune", True)]
)
def test_label_sets_are_learned_whatever_the_labels_of_the_source_are(name, alike, toy):
    problem = of_sets(toy.problem(), alike)
    first, train = transfer(make(name), problem), problem.target.train
    assert first.task == problem.task
    assert first.classes == ("leg", "eye", "tail")
    with torch.no_grad():
        x = problem.backbone.preprocess.tensor(train.arrays[train.rows])
        found = problem.task.predict(first(x)).numpy()
    everything = np.ones_like(found)
    assert problem.task.utility(found, train.labels).mean() > problem.task.utility(everything, train.labels).mean()


@pytest.mark.parametrize("name", [n for n in NAMES if catalog.find("methods", n).blind])
def test_without_a_label_of_the_target_the_source_is_used_and_its_head_named(name, toy, same):
    """Nothing reads the labels: they are not there. The model still tells the target's classes, in their order."""
    problem = toy.problem()
    unlabeled = problem.target.unlabeled
    blind = replace(problem, target=Domain("target", unlabeled, unlabeled))
    first, second = (transfer(make(name, 12), blind) for _ in range(2))
    assert same(first, second)
    assert first.classes == problem.target.train.classes
    assert toy.accuracy(first) > 0.4  # chance is 0.25


def test_what_is_tried_without_labels_can_do_without():
    assert {n for n in EVERY if catalog.find("methods", n).raced_blind} <= {
        n for n in NAMES if catalog.find("methods", n).blind
    }
