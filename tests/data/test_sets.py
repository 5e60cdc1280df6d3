"""Splits of label sets keep the share of each label, and of the examples that have none."""

import numpy as np
import pytest

from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.data._strata import dealt
from regraft.data.examples import Examples
from regraft.data.splits import align_classes, conflicts, few_shot, folds, holdout_split

NAMES = ("red", "round", "big", "old", "rare")


def examples(labels, digests=None, groups=None) -> Examples:
    labels = np.asarray(labels, dtype=np.int64)
    ids = tuple(f"{i:04d}" for i in range(len(labels)))
    return Examples(ids, tuple(digests or ids), ids, labels, NAMES[: labels.shape[1]], groups and tuple(groups))


def skewed(count: int = 400, seed: int = 0) -> np.ndarray:
    """Labels from common to rare, some of them together more often than by chance; a tenth has none."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 5)) < [0.6, 0.3, 0.2, 0.1, 0.02]).astype(np.int64)
    labels[:, 2] |= labels[:, 3] * (rng.random(count) < 0.7)
    labels[rng.random(count) < 0.1] = 0
    labels[:3] = [[0, 0, 0, 0, 1], [1, 0, 0, 0, 1], [0, 1, 1, 0, 1]]
    return labels


def test_what_label_sets_are():
    found = examples([[1, 0], [1, 1], [0, 0]])
    assert found.labelling is Labels.SETS
    assert found.counts() == {"red": 2, "round": 1}
    assert found.strata.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert found.take([0, 1]).strata.tolist() == [[1, 0], [1, 1]]
    assert found.unlabelled().labelling is Labels.CLASSES
    for labels, classes in ([[1, 2]], NAMES[:2]), ([[1, 0]], NAMES[:3]):
        with pytest.raises(ValueError, match="label sets must be 0 or 1"):
            Examples(("a",), ("a",), ("a",), np.array(labels), classes)


@pytest.mark.parametrize("seed", range(5))
def test_parts_have_their_share_of_every_label(seed):
    """Better than drawing by lot (the measure of Sechidis et al. 2011, section 4.2), and exact for the rarest label."""
    strata = examples(skewed(seed=seed)).strata
    units = [np.array([i]) for i in np.random.default_rng(seed).permutation(len(strata))]
    place = np.empty(len(strata), dtype=int)
    place[np.concatenate(units)] = dealt(strata, units, [0.1] * 10)
    lot = np.random.default_rng(seed).permutation(np.arange(len(strata)) % 10)

    def unevenness(parts: np.ndarray) -> float:
        odds = [
            strata[parts == k].sum(0) / np.maximum((parts == k).sum() - strata[parts == k].sum(0), 1) for k in range(10)
        ]
        return float(np.abs(np.array(odds) - strata.sum(0) / (len(strata) - strata.sum(0))).mean())

    assert unevenness(place) < 0.6 * unevenness(lot)
    rarest = strata.sum(0).argmin()
    assert np.ptp([strata[place == k, rarest].sum() for k in range(10)]) <= 1
    assert np.ptp(np.bincount(place)) <= 0.2 * len(strata) / 10


@pytest.mark.parametrize("seed", range(5))
def test_the_holdout_has_its_share_and_both_sides_have_every_label(seed):
    found = examples(skewed())
    train, aside = holdout_split(found, 0.3, seed)
    assert sorted([*train, *aside]) == list(range(400))
    shares = found.strata[aside].sum(0) / found.strata.sum(0)
    assert shares == pytest.approx(np.full(6, 0.3), abs=0.12)
    assert shares[:4] == pytest.approx(np.full(4, 0.3), abs=0.03)
    assert min(found.take(train).counts().values()) > 0
    few = examples([[1, 0], [1, 0], [1, 1], [0, 1]])
    assert all(min(few.take(side).counts().values()) > 0 for side in holdout_split(few, 0.3, seed))


@pytest.mark.parametrize("kind", ["holdout", "few_shot"])
@pytest.mark.parametrize("seed", range(4))
def test_groups_and_copies_stay_on_one_side(kind, seed):
    groups = [f"g{i // 4}" for i in range(400)]
    digests = [f"d{i // 2}" for i in range(400)]
    found = examples(skewed(), digests, groups)
    train, aside = holdout_split(found, 0.3, seed) if kind == "holdout" else few_shot(found, 3, seed)
    assert len(train)
    assert len(aside)
    assert not {groups[i] for i in train} & {groups[i] for i in aside}
    assert not {digests[i] for i in train} & {digests[i] for i in aside}
    assert min(found.take(aside).counts().values()) > 0


def test_a_label_in_one_group_cannot_be_split():
    with pytest.raises(UserError, match=r"label 'round' has 3 pictures, .* in one group"):
        holdout_split(examples([[1, 1], [1, 1], [0, 1], [1, 0], [1, 0]], None, ["x", "x", "x", "y", "z"]))


@pytest.mark.parametrize("seed", range(5))
def test_shots_are_counted_per_label_and_hardly_more_are_drawn_than_needed(seed):
    found = examples(skewed())
    train, aside = few_shot(found, 4, seed)
    counts = found.take(train).counts()
    assert min(counts.values()) >= 4
    assert counts["rare"] == 4
    assert (found.strata[train, -1] == 1).sum() == 4  # four that have none
    assert len(train) <= 6 * 4
    assert sorted([*train, *aside]) == list(range(400))
    assert set(train) < set(few_shot(found, 6, seed)[0])
    again = few_shot(examples(skewed()), 4, seed)
    assert all((a == b).all() for a, b in zip(again, (train, aside), strict=True))


def test_one_example_of_each_label_is_left_to_judge_by():
    labels = [[1, 1], [1, 1], [1, 1], [1, 0], [0, 1]]
    for seed in range(20):
        train, aside = few_shot(examples(labels), 2, seed)
        assert min(examples(labels).take(aside).counts().values()) > 0
        assert min(examples(labels).take(train).counts().values()) >= 2
    with pytest.raises(UserError, match=r"label 'red' has 4 different pictures, but 4 shots need at least 5"):
        few_shot(examples(labels), 4, 0)


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_cover_everything_once_and_train_on_every_label(grouped):
    found = examples(skewed())
    groups = [f"g{i // 3}" for i in range(400)] if grouped else None
    splits = folds(found.strata, 5, 0, groups)
    seen = np.concatenate([valid for _, valid in splits])
    assert len(set(seen.tolist())) == len(seen)
    assert len(seen) >= 390
    for train, valid in splits:
        assert not set(train) & set(valid)
        assert (found.strata[train].sum(0) > 0).all()
        assert not grouped or not {groups[i] for i in train} & {groups[i] for i in valid}
    ones = np.array([[1, 0], [0, 1], [1, 1], [0, 1]])
    assert all((ones[train].sum(0) > 0).all() for train, _ in folds(ones, 3, 0))


def test_copies_with_other_labels_are_named():
    found = examples([[1, 0], [1, 0], [1, 1]], ["a", "a", "a"])
    assert conflicts(found) == [("0000", "0001", "0002")]
    assert not conflicts(examples([[1, 0], [1, 0], [1, 1]], ["a", "a", "b"]))


def test_a_test_set_follows_the_order_of_the_target():
    target = examples([[1, 0, 1], [0, 1, 0]])
    test = Examples(("a", "b"), ("a", "b"), ("a", "b"), np.array([[1, 0], [0, 1]]), ("big", "red"))
    aligned = align_classes(target, test)
    assert aligned.labels is not None
    assert aligned.labels.tolist() == [[0, 0, 1], [1, 0, 0]]
    classes = Examples(("a", "b"), ("a", "b"), ("a", "b"), np.array([0, 1]), ("red", "big"))
    with pytest.raises(UserError, match="the target's labels are label sets, but the test set's are classes"):
        align_classes(target, classes)
