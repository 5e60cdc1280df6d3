"""Laws of every edit."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from regraft import training
from regraft.core import catalog
from regraft.core.errors import CandidateError
from regraft.edits.fit_head import FitHead
from regraft.edits.freeze import Freeze
from regraft.edits.keep import Keep
from regraft.edits.lora import Lora
from regraft.edits.merge import Merge
from regraft.edits.new_head import NewHead, reused, said
from regraft.edits.reset import Reset
from regraft.edits.set_norm import SetNorm
from regraft.features import features
from regraft.model import NORMS, Model, blocks
from regraft.optimisation import Descent
from regraft.tasks.regression import Regression
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Phase

NAMES = catalog.names("edits")


def make(name: str):
    return catalog.find("edits", name)()


def ready(toy) -> Model:
    """A trained model that keeps weights under the names that edits go back to."""
    model = deepcopy(toy.trained)
    for name in ("start", "member 0"):
        model = Keep(key=name).apply(model, toy.problem())
    return model


def applied(name: str, toy) -> Model:
    try:
        return make(name).apply(ready(toy), toy.problem())
    except CandidateError as error:
        pytest.skip(f"not for this network: {error}")


def descend(model, problem, *edits, steps=4):
    phase = Phase(edits=edits, terms={"task": Weighted(term=Supervised())}, descent=Descent(steps=steps))
    return training.run(model, (phase,), problem)


def pictures(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("name", NAMES)
def test_an_edited_model_is_a_model_for_the_same_pictures(name, toy):
    model = applied(name, toy)
    assert isinstance(model, Model)
    outputs = model.eval()(pictures())
    assert outputs.shape == (6, len(model.classes))
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize("name", NAMES)
def test_draws_come_from_the_seeded_generator(name, toy, same):
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(applied(name, toy))
    assert same(*models)


@pytest.mark.parametrize(("keep", "learning"), [(0.0, 0), (0.5, 2), (0.34, 2), (1.0, 3), (None, 3)])
def test_freeze_keeps_the_last_blocks(keep, learning, toy):
    model = Freeze(keep=keep).apply(toy.fresh(), toy.problem())
    free = [any(p.requires_grad for p in block.parameters()) for block in blocks(model.backbone)]
    assert free == [False] * (3 - learning) + [True] * learning
    assert all(p.requires_grad for p in model.head.parameters())
    assert model.frozen_stages() == 3 - learning


@pytest.mark.parametrize("keep", [0.0, 0.34])
def test_what_is_frozen_does_not_change_in_a_descent(keep, toy):
    """Weights and stored statistics are bitwise the same; what learns has moved."""
    problem = toy.problem()
    trained = descend(problem.source_model, problem, Freeze(keep=keep))
    frozen = trained.frozen_stages()
    assert frozen == (3 if keep == 0 else 1)
    for number, (now, then) in enumerate(zip(trained.backbone.stages, toy.trained.backbone.stages, strict=True)):
        pairs = zip(now.state_dict().values(), then.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs) is (number < frozen)
    assert not torch.equal(trained.head.weight, toy.trained.head.weight)


def test_frozen_stages_stay_in_evaluation_mode(toy):
    model = Freeze(keep=0.34).apply(toy.fresh(), toy.problem()).train()
    assert [stage.training for stage in model.backbone.stages] == [False, True, True]
    norms = [m.training for m in model.backbone.modules() if isinstance(m, NORMS)]
    assert norms == [False, True, True]


def test_a_frozen_norm_keeps_its_statistics_and_the_layer_learns(toy):
    problem = toy.problem(frozen_norm=True)
    trained = descend(problem.source_model, problem, Freeze(keep=None), SetNorm())
    now, then = (m.backbone.stages[1][1] for m in (trained, toy.trained))
    learned, start = (m.backbone.stages[1][0] for m in (trained, toy.trained))
    assert torch.equal(now.running_mean, then.running_mean)
    assert torch.equal(now.running_var, then.running_var)
    assert not torch.equal(learned.weight, start.weight)
    free = descend(problem.source_model, problem, Freeze(keep=None), SetNorm(frozen=False))
    assert not torch.equal(free.backbone.stages[1][1].running_mean, then.running_mean)


def test_dropout_of_frozen_stages_is_off(toy):
    model = toy.fresh()
    model.backbone.stages[0].append(nn.Dropout(0.5))
    model.backbone.stages[2].append(nn.Dropout(0.5))
    Freeze(keep=0.34).apply(model, toy.problem()).train()
    assert not model.backbone.stages[0][-1].training
    assert model.backbone.stages[2][-1].training


def renamed(toy, names):
    """A trained model whose classes have other names, in another order of rows."""
    model = deepcopy(toy.trained)
    model.classes = names
    return model


def test_a_new_head_takes_over_the_rows_of_shared_classes(toy):
    problem, old = toy.problem(), toy.trained.head
    model = renamed(toy, ("dog", "eel", "bee", "fox"))
    NewHead(reuse=True).apply(model, problem)
    assert model.classes == ("ant", "bee", "cat", "dog")
    assert torch.equal(model.head.weight[3], old.weight[0])
    assert torch.equal(model.head.weight[1], old.weight[2])
    assert not model.head.weight[[0, 2]].any()


def test_a_new_head_believes_names_only_if_they_work(toy):
    problem = toy.problem()
    true = NewHead().apply(deepcopy(toy.trained), problem)
    assert torch.equal(true.head.weight, toy.trained.head.weight)
    lie = NewHead().apply(renamed(toy, ("bee", "cat", "dog", "ant")), problem)
    assert not lie.head.weight.any()
    never = NewHead(reuse=False).apply(deepcopy(toy.trained), problem)
    assert not never.head.weight.any()


def test_reset_forgets_everything(toy):
    model = deepcopy(toy.trained)
    torch.manual_seed(1)
    Reset().apply(model, toy.problem())
    torch.manual_seed(1)
    expected = toy.backbone().build(pretrained=False)
    pairs = zip(model.backbone.parameters(), expected.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_fit_head_classifies_the_features(toy):
    problem = toy.problem()
    model = FitHead().apply(deepcopy(toy.trained), problem).eval()
    train = problem.target.train
    x = features(model.backbone, train, problem.backbone.preprocess, problem.memory)
    with torch.no_grad():
        found = model.head(torch.from_numpy(np.array(x))).argmax(1).numpy()
    assert (found == train.labels).mean() > 0.9
    assert toy.accuracy(model) > 0.5


def test_lora_starts_as_the_identity_and_trains_only_the_updates(toy):
    problem, x = toy.problem(), pictures()
    model = Lora().apply(deepcopy(toy.trained), problem).eval()
    assert torch.allclose(model(x), toy.trained.eval()(x), atol=1e-6)
    free = [name for name, p in model.backbone.named_parameters() if p.requires_grad]
    assert free
    assert all("lora_" in name for name in free)


@pytest.mark.parametrize("scale", [0.05, 2.0])
def test_the_scale_of_lora_is_the_factor_of_the_update(scale, toy):
    model = Lora(scale=scale).apply(deepcopy(toy.trained), toy.problem())
    factors = [m.scaling["default"] for m in model.modules() if hasattr(m, "scaling")]
    assert factors == pytest.approx([scale] * len(factors))
    assert factors


def test_merging_lora_changes_nothing_but_the_shape(toy):
    problem, x = toy.problem(), pictures()
    model = descend(problem.source_model, problem, Lora(), steps=6)
    before = model(x)
    assert not torch.allclose(before, toy.trained.eval()(x), atol=1e-3)
    merged = Merge().apply(model, problem).eval()
    assert (merged(x) - before).abs().max() < 1e-5
    assert not [name for name, _ in merged.named_modules() if "lora" in name]
    assert merged.backbone.state_dict().keys() == toy.trained.backbone.state_dict().keys()


def test_rows_of_shared_classes_are_carried_over_by_name_and_said(toy):
    """Two of the source's classes are not the target's; names differ in case and number; the rest starts anew."""
    problem = toy.problem()
    source = deepcopy(toy.trained)
    source.classes = ("Ants", "wasp", "CAT", "fox")
    assert reused(source, problem) == (
        "2 of 4 classes start from the source's head, which knows them as it is: ant, cat"
    )
    model = NewHead().apply(deepcopy(source), problem)
    for place, kept in enumerate((True, False, True, False)):
        assert torch.equal(model.head.weight[place], source.head.weight[place]) is kept
    swapped = deepcopy(source)
    swapped.classes = ("cats", "wasp", "ant", "fox")  # names that lie
    assert "of no use" in reused(swapped, problem)
    fresh = NewHead().apply(swapped, problem)
    assert not any(torch.equal(fresh.head.weight[i], source.head.weight[j]) for i in range(4) for j in range(4))


def test_a_head_of_any_layers_says_by_name_what_it_knows(toy):
    """Rows of several layers cannot be carried over, but they can be asked."""
    problem, source = toy.problem(), deepcopy(toy.trained)
    source.classes, source.head = ("Ants", "wasp", "CAT", "fox"), nn.Sequential(source.head)
    x = np.random.default_rng(0).normal(size=(5, source.backbone.feature_dim)).astype(np.float32)
    outputs, own = said(source, problem.task, problem.target.train.classes, x), source.head(torch.from_numpy(x))
    assert torch.equal(torch.from_numpy(outputs[:, [0, 2]]).float(), own[:, [0, 2]])
    assert (outputs[:, [1, 3]] == -np.inf).all()
    assert reused(source, problem) == ""
    source.classes = ("a", "b", "c", "d")
    assert said(source, problem.task, problem.target.train.classes, x) is None


def test_a_head_of_numbers_says_them_in_the_units_of_the_target(toy):
    source, x = deepcopy(toy.trained), np.ones((3, toy.trained.backbone.feature_dim), np.float32)
    source.head, source.classes, source.task = nn.Linear(x.shape[1], 1), (), Regression(mean=10.0, deviation=2.0)
    found, number = said(source, Regression(mean=4.0, deviation=3.0), (), x), source.head(torch.from_numpy(x)) * 2 + 10
    assert found == pytest.approx((number.detach().numpy() - 4) / 3)


def test_one_shared_class_proves_nothing(toy):
    source = deepcopy(toy.trained)
    source.classes = ("ant", "wasp", "owl", "fox")
    assert "of no use" in reused(source, toy.problem())
    source.classes = ("emu", "wasp", "owl", "fox")
    assert reused(source, toy.problem()) == ""
