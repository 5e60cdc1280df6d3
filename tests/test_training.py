"""The loop: what interrupts it, how batches are made, what is kept."""

from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from regraft import runtime, training
from regraft.core import catalog
from regraft.core.batch import Batch, Stream
from regraft.core.errors import CandidateError, UserError
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.edits.set_norm import SetNorm
from regraft.feeding import Feed
from regraft.heads.mlp import Mlp
from regraft.model import Model
from regraft.optimisation import Descent
from regraft.runtime import Runtime, has_bf16
from regraft.selectors.target_validation import TargetValidation
from regraft.terms._base import Weighted
from regraft.terms.stay_close import StayClose
from regraft.terms.supervised import Supervised
from regraft.training import Engine, Phase

LABEL_FREE = ("mean_teacher", "shot", "tent", "fix_match")
TASK = {"task": Weighted(term=Supervised())}


def method(name: str, **descent):
    cls = catalog.find("methods", name)
    return cls(descent=replace(cls().descent, **descent))


def tune(**descent) -> tuple[Phase, ...]:
    """One phase in which everything learns."""
    return (Phase(edits=(NewHead(), Freeze(keep=None)), terms=TASK, descent=Descent(**descent)),)


def distance(a: Model, b: Model) -> float:
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return max((x - y).detach().abs().max().item() for x, y in pairs)


class StopError(Exception):
    """Whatever ends a process."""


# Interrupted equals uninterrupted


def interrupted(problem, phases, file, at: tuple[int, int]) -> Model:
    """Stop right after step ``at`` (phase, step), then start again from the file as a new process would."""

    def stop(progress):
        if (progress.phase, progress.step) == at:
            raise StopError

    with pytest.raises(StopError):
        training.run(problem.source_model, phases, problem, Engine(log=stop, checkpoint=file, every=0))
    assert file.exists()
    seen = []
    log = lambda progress: seen.append((progress.phase, progress.step))  # noqa: E731
    model = training.run(problem.source_model, phases, problem, Engine(log=log, checkpoint=file, every=0))
    assert seen[0] == at  # nothing that was done is done again, but the step that was cut short
    return model


@pytest.mark.parametrize("at", [(0, 2), (0, 4), (1, 3), (2, 2), (3, 4)])
def test_a_staged_schedule_goes_on_bitwise(at, toy, same, tmp_path):
    problem = toy.problem()
    phases = method("gradual", steps=16).phases(problem)
    whole = training.run(problem.source_model, phases, problem)
    assert same(interrupted(problem, phases, tmp_path / "checkpoint", at), whole)


OPTIONS = {
    "adamw": {},
    "average": {"average": 0.9},
    "sgd": {"optimizer": "sgd", "rate": 0.05},
    "sgd without momentum": {"optimizer": "sgd", "momentum": 0.0},
    "rmsprop": {"optimizer": "rmsprop"},
    "micro": {"micro_batch": 7},
    "views": {"views": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_optimiser_goes_on_bitwise(options, toy, same, tmp_path):
    problem, phases = toy.problem(), tune(steps=9, **options)
    whole = training.run(problem.source_model, phases, problem)
    assert same(interrupted(problem, phases, tmp_path / "c", (0, 5)), whole)


STATEFUL = ["ewc", "lwf", "delta", "bi_tuning", "wise_ft", "greedy_soup", "stoch_norm", "adapter", "dora"]
STATEFUL += ["l2_sp", "lora", "joint", "deep_coral", "probe_then_tune", "scratch", *LABEL_FREE]


@pytest.mark.parametrize("name", STATEFUL)
def test_methods_go_on_bitwise(name, toy, same, tmp_path):
    """Starting points, queues, teachers and weights that are kept; a source with other classes keeps its own head."""
    problem = toy.problem()
    other = toy.draw("source", 6, True, ("one", "two", "three", "four"))
    problem = replace(problem, source=replace(problem.source, train=other))
    phases = method(name, steps=10).phases(problem)
    whole = training.run(problem.source_model, phases, problem)
    last = max(i for i, phase in enumerate(phases) if phase.terms)
    at = min(4, phases[last].descent.steps)
    assert same(interrupted(problem, phases, tmp_path / "c", (last, at)), whole)


@pytest.mark.parametrize("micro", [None, 20])
def test_all_terms_together_go_on_bitwise(micro, toy, same, tmp_path):
    """Whatever a term keeps is saved: discriminators, second heads, teachers, frozen encoders, labels, draws."""
    problem = toy.problem()
    terms = {name: Weighted(term=catalog.find("terms", name)()) for name in catalog.names("terms")}
    phases = (Phase(edits=(NewHead(),), terms=terms, descent=Descent(steps=5, micro_batch=micro)),)
    whole = training.run(problem.source_model, phases, problem)
    assert same(interrupted(problem, phases, tmp_path / "c", (0, 3)), whole)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_selector_with_patience_goes_on_bitwise(average, toy, same, tmp_path):
    problem = toy.problem()
    descent = Descent(steps=30, validate_every=2, patience=2, average=average, rate=0.03)
    phases = (Phase(edits=(NewHead(reuse=False),), terms=TASK, descent=descent, select=TargetValidation()),)
    whole = training.run(problem.source_model, phases, problem)
    for step in (2, 5):
        assert same(interrupted(problem, phases, tmp_path / f"c{step}", (0, step)), whole)


def test_patience_that_was_used_up_stays_used_up(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(TargetValidation, "__call__", lambda *_: 0.0)
    descent = Descent(steps=30, validate_every=2, patience=2)
    phases = (replace(tune()[0], descent=descent, select=TargetValidation()),)
    seen = []

    def log(progress):
        seen.append(progress.step)
        if seen == list(range(1, 8)):
            raise StopError

    engine = Engine(log=log, checkpoint=tmp_path / "c", every=0)
    with pytest.raises(StopError):
        training.run(toy.trained, phases, toy.problem(), engine)
    training.run(toy.trained, phases, toy.problem(), engine)
    assert seen == [1, 2, 3, 4, 5, 6, 7, 7, 8]  # steps 4, 6 and 8 are no better than step 2


def test_dropout_goes_on_bitwise(toy, same, tmp_path):
    problem = toy.problem(task=replace(toy.problem().task, head=Mlp(width=16)))
    whole = training.run(problem.source_model, tune(steps=6), problem)
    assert same(interrupted(problem, tune(steps=6), tmp_path / "c", (0, 4)), whole)


@pytest.mark.parametrize(("cost", "saved"), [(0.0, [6, 12, 18, 24]), (0.31, [6, 13, 20, 27]), (3.0, [6])])
def test_saving_takes_a_twentieth_of_the_time_at_most(cost, saved, toy, monkeypatch, tmp_path):
    """A step takes a second, and five lie between savings; after one of 3 seconds come 60 without."""
    now, found = [0.0], []

    def step(progress):
        now[0] += 1.0

    def save(live, path):
        found.append(live.step)
        now[0] += cost

    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(training._Live, "_save", save)
    training.run(toy.trained, tune(steps=30), toy.problem(), Engine(log=step, checkpoint=tmp_path / "c"))
    assert found == saved


def test_a_finished_run_starts_again_to_the_same_end(toy, same, tmp_path):
    problem, phases, engine = toy.problem(), tune(steps=5), Engine(checkpoint=tmp_path / "c", every=0)
    first = training.run(toy.trained, phases, problem, engine)
    assert same(training.run(toy.trained, phases, problem, engine), first)


def test_saving_changes_nothing_and_a_broken_file_is_a_new_start(toy, same, tmp_path):
    problem, phases = toy.problem(), tune(steps=6, average=0.9)
    whole = training.run(toy.trained, phases, problem)
    assert same(training.run(toy.trained, phases, problem, Engine(checkpoint=tmp_path / "c", every=0)), whole)
    content = (tmp_path / "c").read_bytes()
    for count in (0, 5, len(content) // 2):
        (tmp_path / "c").write_bytes(content[:count])
        assert same(training.run(toy.trained, phases, problem, Engine(checkpoint=tmp_path / "c")), whole)


# Batches


@pytest.mark.parametrize("micro", [1, 4, 7, 16])
def test_accumulation_equals_the_whole_batch(micro, toy):
    """In a network whose outputs do not depend on the batch; the pieces are of unequal size, the classes too."""
    task = replace(toy.problem().task, counts=(2, 5, 5, 8))
    problem = toy.problem(task=task, source_model=toy.fresh(toy.backbone(norm=False)))
    options = {"steps": 4, "batch_size": 18, "optimizer": "sgd", "rate": 0.05}
    whole = training.run(problem.source_model, tune(**options), problem)
    pieces = training.run(problem.source_model, tune(micro_batch=micro, **options), problem)
    assert distance(whole, problem.source_model) > 1e-3
    assert distance(pieces, whole) < 1e-5


def test_accumulation_equals_the_whole_batch_where_norms_are_frozen_and_streams_differ(toy):
    problem = toy.problem()
    problem = replace(problem, target=replace(problem.target, train=problem.target.train.take([0, 1, 2])))
    terms = {**TASK, "source": Weighted(term=Supervised(stream=Stream.SOURCE)), "close": Weighted(term=StayClose())}
    models = []
    for micro in (None, 4):
        descent = Descent(steps=3, optimizer="sgd", rate=0.05, micro_batch=micro)
        phase = Phase(edits=(Freeze(keep=None), SetNorm(frozen=True)), terms=terms, descent=descent)
        models.append(training.run(problem.source_model, (phase,), problem))
    assert distance(*models) < 1e-5


@pytest.mark.parametrize(("views", "augmented"), [(1, True), (3, True), (None, False)])
@pytest.mark.parametrize("keep", [0.0, 0.34])
def test_a_remembered_prefix_equals_the_naive_loop(keep, views, augmented, toy, monkeypatch):
    problem = toy.problem()
    augment = Descent().augment if augmented else None
    descent = Descent(steps=9, batch_size=16, views=views, augment=augment, optimizer="sgd", rate=0.05)
    phases = (Phase(edits=(NewHead(), Freeze(keep=keep)), terms=TASK, descent=descent),)
    starts, original = [], Feed.batch

    def watch(feed, step):
        starts.append(original(feed, step).start)
        return original(feed, step)

    monkeypatch.setattr(Feed, "batch", watch)
    remembered = training.run(problem.source_model, phases, problem)
    assert set(starts) == {3 if keep == 0 else 1}
    monkeypatch.setattr(Feed, "remember", lambda *_: False)
    naive = training.run(problem.source_model, phases, problem)
    assert starts[-1] == 0
    assert distance(naive, problem.source_model) > 1e-3
    assert distance(remembered, naive) < 1e-5


def feed(toy, stream=Stream.TARGET, seed: int = 0, size: int = 8, **changes) -> Feed:
    data = {Stream.TARGET: toy.problem().target.train, Stream.SOURCE: toy.problem().source.train}[stream]
    varied = {"augment": Descent().augment, "views": None} | changes
    return Feed(data, stream, seed, toy.backbone().preprocess, Runtime()).vary(size, **varied)


def test_a_batch_is_a_function_of_seed_stream_and_step(toy):
    forward, backward = feed(toy), feed(toy)
    ordered = [forward.batch(step) for step in range(8)]
    for step in reversed(range(8)):
        again = backward.batch(step)
        assert torch.equal(again.inputs, ordered[step].inputs)
        assert torch.equal(again.targets, ordered[step].targets)
    assert not torch.equal(feed(toy, seed=1).batch(0).inputs, ordered[0].inputs)


def test_the_order_of_a_stream_does_not_depend_on_the_others(toy):
    """So that adding a term changes no other draw."""
    drawn, original = {}, Feed.batch

    def watch(self, step):
        batch = original(self, step)
        drawn.setdefault((current, self.stream), []).append(batch.targets)
        return batch

    problem = toy.problem()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Feed, "batch", watch)
        for current in ("fine_tune", "joint", "deep_coral"):
            training.run(problem.source_model, method(current, steps=4).phases(problem), problem)
    target = [torch.stack(drawn[name, Stream.TARGET]) for name in ("fine_tune", "joint", "deep_coral")]
    assert torch.equal(target[0], target[1])
    assert torch.equal(target[0], target[2])


def test_an_epoch_is_a_permutation(toy):
    batches = [feed(toy, size=8, augment=None).batch(step) for step in range(5)]  # 20 examples: two epochs
    x = torch.cat([b.inputs for b in batches])
    for epoch in (x[:20], x[20:]):
        assert len({tuple(row.flatten().tolist()) for row in epoch}) == 20


def test_a_batch_is_at_most_all_examples(toy):
    assert len(feed(toy, size=500).batch(0).inputs) == 20


def test_pieces_are_of_nearly_equal_size():
    pieces = Batch(torch.zeros(10, 2), torch.arange(10)).split(4)
    assert [len(p.inputs) for p in pieces] == [3, 3, 2, 2]
    assert torch.cat([p.targets for p in pieces]).tolist() == list(range(10))
    assert Batch(torch.zeros(3, 2), None).split(2)[0].targets is None


# What ends or saves a candidate


def test_memory_that_runs_out_gives_what_smaller_pieces_give(toy, same, monkeypatch):
    """Also where a failed pass has already moved the statistics of batch norm."""
    problem = toy.problem()
    asked = training.run(problem.source_model, tune(steps=4, batch_size=16, micro_batch=4), problem)
    original, failed = Model.view, []

    def small(model, batch):
        view = original(model, batch)
        if len(batch.inputs) > 4:
            failed.append(len(batch.inputs))
            raise torch.OutOfMemoryError("a device is full")
        return view

    monkeypatch.setattr(Model, "view", small)
    found = training.run(problem.source_model, tune(steps=4, batch_size=16), problem)
    assert failed == [16, 8]
    assert same(found, asked)


def test_a_step_seeds_the_devices_in_use_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    torch.manual_seed(5)
    expected = torch.rand(3)
    seeded.clear()
    Runtime(device="cpu").seed(5)
    assert torch.equal(torch.rand(3), expected)
    assert not seeded
    Runtime(device="cuda:0").seed(5)
    assert torch.equal(torch.rand(3), expected)
    assert seeded == [5]


FULL = [torch.OutOfMemoryError("full"), MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: no memory")]


@pytest.mark.parametrize("error", FULL)
def test_memory_for_not_even_one_example_ends_the_candidate(error, toy, monkeypatch):
    def full(model, batch):
        raise error

    monkeypatch.setattr(Model, "view", full)
    with pytest.raises(CandidateError, match="out of memory"):
        training.run(toy.trained, tune(steps=2), toy.problem())


def test_other_errors_are_not_hidden(toy, monkeypatch):
    def wrong(model, batch):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Model, "view", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        training.run(toy.trained, tune(steps=2), toy.problem())


def test_not_a_number_ends_the_candidate(toy):
    broken = deepcopy(toy.trained)
    broken.backbone.stages[1][0].weight.data[0] = float("nan")
    with pytest.raises(CandidateError, match="not a number at step 0 of phase 0"):
        training.run(broken, tune(steps=2), toy.problem())


def test_a_gradient_that_is_not_a_number_ends_the_candidate(toy, monkeypatch):
    """Even at the last step, whose loss is still finite."""
    problem = toy.problem()
    original = type(problem.task).loss

    def steep(task, outputs, targets, weights=None):
        hook = outputs.register_hook(lambda g: g * float("inf"))
        assert hook is not None
        return original(task, outputs, targets, weights)

    monkeypatch.setattr(type(problem.task), "loss", steep)
    with pytest.raises(CandidateError, match="not a number"):
        training.run(problem.source_model, tune(steps=1), problem)


# What is kept


class Scripted:
    """Scores by a list, and remembers the weights that it scored."""

    def __init__(self, scores):
        self.scores, self.seen = list(scores), []

    def __call__(self, model, problem):
        self.seen.append(deepcopy(model))
        return self.scores[len(self.seen) - 1]


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_early_stopping_keeps_the_best_weights(average, toy, same, monkeypatch):
    script = Scripted([0.1, 0.5, 0.4, 0.5, 0.3, 0.9, 0.9, 0.9])
    monkeypatch.setattr(TargetValidation, "__call__", lambda _, model, problem: script(model, problem))
    descent = Descent(steps=16, validate_every=2, patience=2, average=average)
    phase = Phase(edits=(NewHead(),), terms=TASK, descent=descent, select=TargetValidation())
    steps = []
    engine = Engine(log=lambda progress: steps.append(progress.step))
    model = training.run(toy.trained, (phase,), toy.problem(), engine)
    assert steps[-1] == 10  # three validations in a row are no better than the second
    assert len(script.seen) == 5
    assert same(model, script.seen[1].eval())


def test_what_is_scored_is_the_average(toy, same, monkeypatch):
    script = Scripted([1.0])
    monkeypatch.setattr(TargetValidation, "__call__", lambda _, model, problem: script(model, problem))
    plain = tune(steps=6, average=0.9)
    selected = (replace(plain[0], select=TargetValidation()),)
    expected = training.run(toy.trained, plain, toy.problem())
    assert same(training.run(toy.trained, selected, toy.problem()), expected)
    assert same(script.seen[0], expected)


def test_the_average_against_a_slow_reference(toy):
    problem = toy.problem()
    raw = [training.run(toy.trained, tune(steps=n, schedule="constant", warmup=0.0), problem) for n in (1, 2, 3)]
    mean = [p.detach().clone() for p in NewHead().apply(deepcopy(toy.trained), problem).parameters()]
    for step, model in enumerate(raw):
        decay = min(0.2, (1 + step) / (10 + step))
        mean = [decay * m + (1 - decay) * p.detach() for m, p in zip(mean, model.parameters(), strict=True)]
    found = training.run(toy.trained, tune(steps=3, schedule="constant", warmup=0.0, average=0.2), problem)
    for m, p in zip(mean, found.parameters(), strict=True):
        assert torch.allclose(m, p, atol=1e-6)


def test_no_steps_and_no_terms_train_nothing(toy, same):
    problem = toy.problem()
    assert same(training.run(toy.trained, (Phase(),), problem), toy.trained)
    assert same(training.run(toy.trained, (Phase(terms=TASK, descent=Descent(steps=0)),), problem), toy.trained)


# Precision


def test_bf16_is_close_to_fp32(toy):
    if not has_bf16("cpu"):
        pytest.skip("this processor does not multiply in bf16")
    problem = toy.problem()
    x = torch.rand(8, 3, 8, 8)
    for precision in ("bf16", "bf16-mixed"):
        runtime = Runtime(precision=precision)
        with torch.no_grad(), runtime.compute(toy.trained):
            found = toy.trained.eval()(x).float()
        assert (found - toy.trained(x)).abs().max() < 0.05 * toy.trained(x).abs().max()
        model = training.run(toy.trained, tune(steps=12), problem, Engine(runtime=runtime))
        assert all(p.dtype == torch.float32 for p in model.parameters())
        assert toy.accuracy(model) > 0.5
    assert all("forward" not in vars(m) for m in toy.trained.modules())


@pytest.mark.parametrize(("network", "tried"), [(nn.Linear(3, 3), {"fp32", "bf16"}), (nn.ReLU(), {"fp32"})])
def test_half_precision_is_tried_where_there_are_weights(network, tried, monkeypatch):
    """A network that another library runs has none of its own, and runs as it does."""
    seen = set()
    monkeypatch.setattr(runtime, "has_bf16", lambda device: True)
    monkeypatch.setattr(runtime, "_seconds", lambda *given: seen.add(given[-1].precision) or 1.0)
    assert runtime.measure(network, torch.ones(2, 3), False, Runtime())[0].precision == "fp32"
    assert seen == tried


# Errors of the user


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("optimizer", "lion", "'adamw', 'sgd' or 'rmsprop'"),
        ("schedule", "linear", "'cosine' or 'constant'"),
        ("rate", float("inf"), "finite"),
        ("clip", float("nan"), "finite"),
    ],
)
def test_an_unknown_optimiser_or_schedule_or_a_rate_that_is_no_number_is_an_error(option, value, said):
    with pytest.raises(UserError, match=said):
        Descent(**{option: value})


def test_progress_tells_where_training_is(toy):
    seen = []
    phases = (*tune(steps=2), *tune(steps=3))
    training.run(toy.trained, phases, toy.problem(), Engine(log=seen.append))
    assert [(p.phase, p.step, p.steps) for p in seen] == [(0, 1, 2), (0, 2, 2), (1, 1, 3), (1, 2, 3), (1, 3, 3)]
    assert all(np.isfinite(p.losses["task"]) for p in seen)
