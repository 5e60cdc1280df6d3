"""What a transfer does to each class."""

from types import SimpleNamespace

import numpy as np
import pytest

from regraft.core.records import Evaluation
from regraft.keeping import by_label, ruined, ships
from regraft.tasks.classification import Classification

CLASSES = ("ant", "bee", "cow")


def judged(right: np.ndarray, targets: np.ndarray, groups: tuple[str, ...] | None = None) -> SimpleNamespace:
    ids = tuple(map(str, range(len(targets))))
    record = Evaluation(np.zeros((*right.shape, 3)), right.astype(float), targets, ids, groups)
    return SimpleNamespace(record=record, task=Classification(classes=CLASSES), outer=None)


def test_a_ruined_class_is_named_though_the_transfer_helps():
    """Two classes gain 30 points each, the third loses 40."""
    targets, rng = np.repeat([0, 1, 2], 100), np.random.default_rng(0)
    ours = rng.random((3, 300)) < np.array([0.9, 0.9, 0.4])[targets]
    theirs = rng.random((3, 300)) < np.array([0.6, 0.6, 0.8])[targets]
    rows = by_label(judged(ours, targets), judged(theirs, targets), 0.95)
    assert [(row["label"], row["holdout"]) for row in rows] == [(name, 100) for name in CLASSES]
    for c, row in enumerate(rows):
        of_class = ours[:, targets == c].mean() - theirs[:, targets == c].mean()
        assert row["gain"]["mean"] == pytest.approx(of_class)
        assert row["gain"]["low"] < row["gain"]["mean"] < row["gain"]["high"]
        assert row["adjusted"] >= row["p"]
    loss = -100 * rows[2]["gain"]["mean"]
    assert ruined(rows, 0.95) == f" It is worse on 1 of 3 classes: cow ({loss:.1f} points)."


def test_chance_ruins_no_class():
    """With equal models, a class is called ruined in at most one of twenty trials; 12 of 100 is the 0.998 quantile."""
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        targets = rng.integers(3, size=150)
        luck = 0.15 * rng.standard_normal((2, 3, 1))
        ours, theirs = (rng.standard_normal((3, 150)) + one > -0.8 for one in luck)
        found += bool(ruined(by_label(judged(ours, targets), judged(theirs, targets), 0.95), 0.95))
    assert found <= 12


def test_a_class_that_nobody_has_is_left_out_and_clusters_count_as_one():
    targets = np.repeat([0, 2], 40)
    ours, theirs = np.tile(targets == 0, (3, 1)), np.tile(np.arange(80) % 4 != 0, (3, 1))
    alone = by_label(judged(ours, targets), judged(theirs, targets), 0.95)
    groups = tuple(str(i // 20) for i in range(80))
    together = by_label(judged(ours, targets, groups), judged(theirs, targets, groups), 0.95)
    assert [row["label"] for row in alone] == ["ant", "cow"]
    assert ruined(alone, 0.95) == " It is worse on 1 of 2 classes: cow (75.0 points)."
    assert together[1]["gain"]["low"] < alone[1]["gain"]["low"]


@pytest.mark.parametrize(
    ("outcome", "gain", "of_model", "kept"),
    [("helps", 0.1, "helps", True), ("helps", 0.1, "hurts", False), ("hurts", -0.1, "undecided", False),
     ("undecided", 0.01, "", True), ("undecided", -0.01, "", False), ("undecided", 0.02, "hurts", False),
     ("undecided", 0.0, "undecided", True)],
)  # fmt: skip
def test_what_is_unproven_and_behind_is_not_kept(outcome, gain, of_model, kept):
    assert ships(outcome, gain, of_model) is kept
