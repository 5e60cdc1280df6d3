"""Rates by step and by depth, class weights, and how pictures are varied."""

import math

import pytest
import torch
from torch import nn

from regraft.augment import Augment
from regraft.edits.freeze import Freeze
from regraft.edits.new_head import NewHead
from regraft.optimisation import Descent, build, set_rate
from regraft.tasks.classification import Classification
from regraft.training import Phase, run


def rates(toy, options: Descent, steps) -> list[float]:
    """The rate of the head at each of ``steps``."""
    optimizer = build(toy.fresh(), nn.Module(), options)
    found = []
    for step in steps:
        set_rate(optimizer, options, step)
        found.append(optimizer.param_groups[-1]["lr"])
    return found


def test_warm_up_and_cosine(toy):
    options = Descent(steps=100, rate=0.2, warmup=0.1)
    found = rates(toy, options, range(100))
    assert found[:10] == pytest.approx([0.02 * (i + 1) for i in range(10)])
    assert found[10:] == pytest.approx([0.1 * (1 + math.cos(math.pi * i / 90)) for i in range(90)])
    assert max(found) == pytest.approx(0.2)
    assert found[-1] < 0.001


def test_constant_after_the_warm_up(toy):
    found = rates(toy, Descent(steps=10, rate=0.5, warmup=0.2, schedule="constant"), range(10))
    assert found == pytest.approx([0.25] + [0.5] * 9)


def test_no_warm_up_and_one_step(toy):
    assert rates(toy, Descent(steps=4, rate=1.0, warmup=0.0, schedule="constant"), [0]) == [1.0]
    assert rates(toy, Descent(steps=1, rate=1.0), [0]) == [1.0]


def test_rates_fall_with_the_distance_from_the_head(toy):
    options = Descent(steps=10, rate=1.0, warmup=0.0, layer_decay=0.5, head_factor=3.0)
    model = toy.fresh()
    optimizer = build(model, nn.Module(), options)
    set_rate(optimizer, options, 0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5, 1.0, 3.0]
    for group, block in zip(optimizer.param_groups, (*model.backbone.stages, model.head), strict=True):
        assert [id(p) for p in group["params"]] == [id(p) for p in block.parameters()]


@pytest.mark.parametrize(("tempo", "keep", "factors"), [(0.1, None, [0.1, 1]), (30, None, [30, 30]), (30, 0.0, [1])])
def test_a_head_keeps_up_with_a_fast_network_and_not_with_a_slow_one(toy, tempo, keep, factors):
    model = Freeze(keep=keep).apply(toy.fresh(), toy.problem())
    model.backbone.tempo = tempo
    optimizer = build(model, nn.Module(), Descent())
    assert sorted({group["factor"] for group in optimizer.param_groups}) == sorted(set(factors))
    assert optimizer.param_groups[-1]["factor"] == factors[-1]


def test_rates_keep_their_depth_when_blocks_are_frozen(toy):
    options = Descent(rate=1.0, layer_decay=0.5)
    model = Freeze(keep=0.34).apply(toy.fresh(), toy.problem())
    optimizer = build(model, nn.Linear(2, 2), options)
    assert [group["factor"] for group in optimizer.param_groups] == [0.5, 1.0]  # a block; another, the head and a term


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("counts", [(), (5, 5, 5), (1, 4, 10), (0, 4, 10)])
def test_class_weights_against_a_slow_reference(counts, smoothing):
    """With weights, the mean over the training set weighs every class alike."""
    task = Classification(classes=("a", "b", "c"), counts=counts, smoothing=smoothing)
    outputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(20) % 3
    weights = [sum(max(c, 1) for c in counts) / (3 * max(c, 1)) for c in counts] or [1.0] * 3
    total = 0.0
    for row, target in zip(outputs.double().tolist(), targets.tolist(), strict=True):
        scale = math.log(sum(math.exp(v) for v in row))
        losses = [scale - v for v in row]
        total += (1 - smoothing) * weights[target] * losses[target]
        total += smoothing / 3 * sum(w * loss for w, loss in zip(weights, losses, strict=True))
    assert task.loss(outputs, targets).item() == pytest.approx(total / 20, rel=1e-5)


def test_rare_and_common_classes_weigh_alike():
    counts = (2, 6, 12)
    task = Classification(classes=("a", "b", "c"), counts=counts, smoothing=0.0)
    targets = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    outputs = torch.zeros(20, 3, requires_grad=True)
    task.loss(outputs, targets).backward()
    pull = [outputs.grad[targets == c, c].sum().item() for c in range(3)]
    assert pull == pytest.approx([pull[0]] * 3)


STILL = Augment(shift=0, rotate=0, zoom=0, shear=0, colour=0)


def pictures(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_no_strength_is_the_identity():
    x = pictures()
    assert torch.allclose(STILL.apply(x, STILL.draw(5, 0, "target", 0)), x, atol=1e-5)


def test_draws_are_a_function_of_seed_and_purpose():
    augment = Augment()
    one = augment.draw(6, 3, "target", 2)
    assert torch.equal(one, augment.draw(6, 3, "target", 2))
    for other in (augment.draw(6, 4, "target", 2), augment.draw(6, 3, "source", 2), augment.draw(6, 3, "target", 3)):
        assert not torch.equal(one, other)
    assert one.min() >= -1
    assert one.max() < 1


def test_the_draws_of_an_example_do_not_depend_on_the_others():
    augment = Augment(flip=True)
    few, many = augment.draw(3, 0, "target", 1), augment.draw(40, 0, "target", 1)
    assert torch.equal(few, many[:3])
    x, draws = pictures(40), many
    together = augment.apply(x, draws)
    for i in (0, 7, 39):
        assert torch.allclose(augment.apply(x[i : i + 1], draws[i : i + 1])[0], together[i], atol=1e-6)


def test_pictures_stay_pictures():
    strong = Augment(shift=0.5, rotate=90, zoom=0.5, shear=0.5, colour=0.9, flip=True)
    varied = strong.apply(pictures(), strong.draw(5, 0, "target", 0))
    assert varied.shape == (5, 3, 16, 16)
    assert varied.min() >= 0
    assert varied.max() <= 1


def test_flip_mirrors_half():
    flip = Augment(shift=0, rotate=0, zoom=0, shear=0, colour=0, flip=True)
    x, draws = pictures(40), flip.draw(40, 0, "target", 0)
    varied, mirrored = flip.apply(x, draws), draws[:, 8] < 0
    assert torch.allclose(varied[mirrored], x[mirrored].flip(3), atol=1e-5)
    assert torch.allclose(varied[~mirrored], x[~mirrored], atol=1e-5)
    assert 10 < mirrored.sum() < 30


def test_a_shift_moves_by_its_share_of_the_side():
    augment = Augment(shift=0.25, rotate=0, zoom=0, shear=0, colour=0)
    x = torch.zeros(1, 3, 16, 16)
    x[:, :, 8, 8] = 1
    draws = torch.zeros(1, 9)
    draws[0, 4] = 1.0
    assert augment.apply(x, draws)[0, 0, 8].argmax() == 4


@pytest.mark.parametrize(
    ("edit", "changes", "factor"),
    [
        (NewHead(reuse=False), {}, 512 / 24),
        (NewHead(reuse=True), {}, 1.0),  # it knows its classes already
        (NewHead(reuse=False, hurried=False), {}, 1.0),
        (NewHead(reuse=False), {"norm": False}, 1.0),
    ],
)
def test_a_new_head_on_few_features_learns_faster(toy, edit, changes, factor):
    model = edit.apply(toy.fresh(toy.backbone(**changes)), toy.problem())
    model = Freeze(keep=None).apply(model, toy.problem())
    found = [group["factor"] for group in build(model, nn.Module(), Descent()).param_groups]
    assert (found[0], found[-1]) == (1.0, pytest.approx(factor))


def test_a_head_has_its_usual_rate_again_in_the_next_phase(toy):
    first = Phase(edits=(NewHead(reuse=False),), terms={}, descent=Descent(steps=0))
    assert run(toy.fresh(), (first,), toy.problem()).head_tempo > 1
    assert run(toy.fresh(), (first, Phase(edits=(), terms={}, descent=Descent(steps=0))), toy.problem()).head_tempo == 1
