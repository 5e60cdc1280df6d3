"""Label sets against scikit-learn: metrics, utilities, and what weights on examples mean."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from regraft.core.records import Evaluation
from regraft.guard import describe, judge
from regraft.tasks._base import LabelSet
from regraft.tasks.multilabel import Multilabel

TASK = Multilabel(classes=("red", "round", "big", "old"))


def drawn(count: int = 80, seed: int = 0, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that say something of the labels, rounded where ``ties``; some examples have no label."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((count, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(np.int64)
    targets[:4] = np.eye(4, dtype=np.int64)
    targets[4] = 0
    found = 1 / (1 + np.exp(-(2 * targets - 1 + rng.normal(0, 1.5, targets.shape))))
    return (found.round(1) if ties else found), targets


def ours(name: str, found: np.ndarray, targets: np.ndarray) -> float:
    return float(TASK.metrics()[name](found, targets, np.ones((1, len(targets))))[0])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_scikit_learn(seed, ties):
    found, targets = drawn(seed=seed, ties=ties)
    given = found > 0.5
    assert ours("mean_average_precision", found, targets) == pytest.approx(
        metrics.average_precision_score(targets, found, average="macro")
    )
    for name in ("micro", "macro"):
        assert ours(f"{name}_f1", found, targets) == pytest.approx(
            metrics.f1_score(targets, given, average=name, zero_division=0)
        )
    assert ours("example_f1", found, targets) == pytest.approx(
        metrics.f1_score(targets, given, average="samples", zero_division=1)
    )
    held = [metrics.log_loss(targets[:, z], found[:, z].clip(1e-12, 1 - 1e-12), labels=[0, 1]) for z in range(4)]
    assert ours("log_loss", found.clip(1e-12, 1 - 1e-12), targets) == pytest.approx(np.mean(held))


@pytest.mark.parametrize("name", TASK.metrics())
def test_a_weight_is_how_often_an_example_counts(name):
    found, targets = drawn(30, seed=3, ties=True)
    weights = np.random.default_rng(1).integers(0, 3, 30)
    again = np.repeat(np.arange(30), weights)
    value = TASK.metrics()[name](found, targets, np.vstack([weights, np.ones(30)]))
    assert value == pytest.approx([ours(name, found[again], targets[again]), ours(name, found, targets)])


def test_a_label_that_no_example_has_counts_for_nothing():
    found, targets = drawn()
    targets[:, 3] = 0
    expected = metrics.average_precision_score(targets[:, :3], found[:, :3], average="macro")
    assert ours("mean_average_precision", found, targets) == pytest.approx(expected)
    assert all(np.isfinite(ours(name, found, 0 * targets)) for name in TASK.metrics())


def test_calibration_of_constant_probabilities_is_their_distance_from_the_share():
    _, targets = drawn()
    assert ours("calibration_error", np.full(targets.shape, 0.9), targets) == pytest.approx(0.9 - targets.mean())


def test_utility_is_the_f1_of_each_example():
    targets = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    found = np.array([[0.9, 0.2, 0.8, 0], [0.6, 0, 0, 0], [0, 0, 0, 0], [0.9, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]])
    assert TASK.utility(found, targets).tolist() == [0.5, 1.0, 1.0, 0.0, 0.0]
    assert TASK.utility(np.stack([found, found]), targets).shape == (2, 5)
    both = TASK.utility(found, targets)[None].repeat(3, 0)
    verdict = judge(both, both)
    assert verdict.gain.mean == 0
    assert "F1 per example" in describe(verdict, TASK.gauge)


def test_loss_weighs_the_examples_that_have_a_label():
    outputs, targets = torch.tensor([[0.3, -0.2]]), torch.tensor([[1, 0]])
    plain = -torch.log(torch.sigmoid(torch.tensor([0.3, 0.2])))
    weighted = Multilabel(classes=("a", "b"), weights=(2.0, 5.0)).loss(outputs, targets)
    assert float(weighted) == pytest.approx(float((2 * plain[0] + plain[1]) / 2))


def test_the_criterion_does_not_care_how_sure_a_model_sounds():
    found, targets = drawn()
    sharper = found**3 / (found**3 + (1 - found) ** 3)
    assert TASK.criterion(sharper, targets).mean() == pytest.approx(TASK.criterion(found, targets).mean(), abs=2e-3)
    likelihood = np.where(targets == 1, found, 1 - found)
    assert TASK.criterion(found, targets).mean() >= np.log(likelihood).sum(1).mean()


def test_an_answer_holds_every_label_above_one_half():
    answer = TASK.answer(np.array([0.2, 0.7, 0.5, 0.9]))
    assert isinstance(answer, LabelSet)
    assert answer.labels == [("old", 0.9), ("round", 0.7)]
    assert answer.below == [("big", 0.5), ("red", 0.2)]
    assert TASK.same(np.array([[0.6, 0.1, 0, 0]]), np.array([[0.9, 0.4, 0, 0]])).tolist() == [True]


def test_what_a_source_knows_is_seen_in_the_order_of_the_examples():
    found, targets = drawn(200)
    missing = np.where([True, True, False, False], np.log(found / (1 - found)), -np.inf)
    assert TASK.knows(missing, targets)
    assert not TASK.knows(np.random.default_rng(0).normal(size=targets.shape), targets)
    assert not TASK.knows(np.full(targets.shape, -np.inf), targets)


def test_what_a_source_says_of_label_sets_counts_by_pairs_of_labels():
    """Against every pair counted: one label that the example has, one that it has not, both named; ties count 0."""
    rng = np.random.default_rng(0)
    said, held = rng.integers(0, 4, (50, 4)).astype(float), (rng.random((50, 4)) < 0.5).astype(int)
    said[:, 1] = -np.inf
    for row, found in enumerate(TASK.beyond_chance(said, held)):
        named = [0, 2, 3]
        pairs = [np.sign(said[row, i] - said[row, j]) for i in named for j in named if held[row, i] > held[row, j]]
        assert found == pytest.approx(np.mean(pairs) if pairs else 0.0)


def test_a_record_of_label_sets_is_judged_with_groups():
    found, targets = drawn()
    record = Evaluation(found[None], TASK.utility(found, targets)[None], targets, tuple(map(str, range(80))))
    worse = Evaluation(1 - found[None], TASK.utility(1 - found, targets)[None], targets, record.ids)
    assert judge(record, worse, groups=[str(i // 2) for i in range(80)]).outcome == "helps"
