"""Laws of the splits."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.data.splits import align_classes, conflicts, drop_duplicates, few_shot, folds, holdout_split


def made(labels: list[int], digests: list[str] | None = None, groups: list[str] | None = None) -> Examples:
    n = len(labels)
    return Examples(
        ids=tuple(f"{i:04d}" for i in range(n)),
        digests=tuple(digests or [f"d{i}" for i in range(n)]),
        items=tuple(Path(f"{i:04d}") for i in range(n)),
        labels=np.array(labels, dtype=np.int64),
        classes=tuple("abcdefgh"[: max(labels) + 1]),
        groups=None if groups is None else tuple(groups),
    )


def skewed() -> Examples:
    return made([0] * 100 + [1] * 40 + [2] * 7 + [3] * 2)


def ids(examples: Examples, indices: np.ndarray) -> set[str]:
    return {examples.ids[i] for i in indices}


def shuffled(examples: Examples) -> Examples:
    return examples.take(np.random.default_rng(5).permutation(len(examples)))


def cut(examples: Examples, kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return holdout_split(examples, 0.3, seed) if kind == "holdout" else few_shot(examples, 1, seed)


@pytest.mark.parametrize("kind", ["holdout", "few_shot"])
def test_splits_do_not_depend_on_the_order_of_reading(kind: str) -> None:
    examples, other = skewed(), shuffled(skewed())
    for indices, others in zip(cut(examples, kind), cut(other, kind), strict=True):
        assert ids(examples, indices) == ids(other, others)
        assert (np.diff(indices) > 0).all()


@pytest.mark.parametrize("kind", ["holdout", "few_shot"])
def test_seeds_give_different_splits_and_names_do_not(kind: str) -> None:
    examples = skewed()
    assert not np.array_equal(cut(examples, kind, 0)[0], cut(examples, kind, 1)[0])
    renamed = made(examples.labels.tolist() if examples.labels is not None else [])
    object.__setattr__(renamed, "ids", tuple(f"other/{i}" for i in range(len(renamed))))
    np.testing.assert_array_equal(cut(examples, kind)[0], cut(renamed, kind)[0])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.5, 1.0])
def test_the_holdout_is_stratified(share: float) -> None:
    examples = skewed()
    train, holdout = holdout_split(examples, share)
    assert sorted([*train, *holdout]) == list(range(len(examples)))
    for name, size in examples.counts().items():
        expected = min(max(round(share * size), 1), size - 1)
        assert examples.take(holdout).counts()[name] == expected
        assert examples.take(train).counts()[name] == size - expected


def test_every_example_can_be_held_out() -> None:
    examples = made([0] * 10 + [1] * 10)
    seen = Counter(int(i) for seed in range(200) for i in holdout_split(examples, 0.3, seed)[1])
    assert len(seen) == 20
    assert min(seen.values()) > 30  # 60 expected; below 30 has a chance of about 1e-6 each
    assert max(seen.values()) < 90


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["holdout", "few_shot"])
def test_equal_pictures_are_never_on_both_sides(kind: str, seed: int) -> None:
    examples = made([0] * 12 + [1] * 12, [f"d{i % 7}" for i in range(12)] + [f"e{i // 2}" for i in range(12)])
    train, holdout = cut(examples, kind, seed)
    assert not {examples.digests[i] for i in train} & {examples.digests[i] for i in holdout}
    assert all(examples.take(side).counts()[name] for side in (train, holdout) for name in examples.classes)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["holdout", "few_shot"])
def test_groups_are_never_on_both_sides(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = [f"g{i}" for i in rng.integers(0, 12, 90)]
    digests = [f"d{i}" for i in range(89)] + ["d0"]  # ties the groups of the first and the last together
    examples = made(rng.integers(0, 3, 90).tolist(), digests, groups)
    train, holdout = cut(examples, kind, seed)
    assert not {groups[i] for i in train} & {groups[i] for i in holdout}
    assert (0 in train) + (89 in train) == 0 or (0 in holdout) + (89 in holdout) == 0
    assert all(examples.take(side).counts()[name] for side in (train, holdout) for name in examples.classes)
    if kind == "holdout":
        assert 0.15 < len(holdout) / 90 < 0.45


def test_a_class_of_two_large_groups_is_still_split() -> None:
    examples = made([0] * 20 + [1] * 20, None, ["x"] * 10 + ["y"] * 10 + [f"g{i}" for i in range(20)])
    train, holdout = holdout_split(examples, 0.1)
    assert examples.take(holdout).counts() == {"a": 10, "b": 2}
    assert examples.take(train).counts() == {"a": 10, "b": 18}


def test_a_class_that_is_one_unit_cannot_be_split() -> None:
    with pytest.raises(UserError, match=r"class 'b' has 3 pictures, .* copies of one picture"):
        holdout_split(made([0, 0, 1, 1, 1], ["p", "q", "z", "z", "z"]))
    with pytest.raises(UserError, match=r"class 'a' has 2 pictures, .* in one group"):
        holdout_split(made([0, 0, 1, 1], None, ["g", "g", "h", "i"]))


def test_shots_are_counted_per_class() -> None:
    examples = made([0] * 30 + [1] * 10 + [2] * 6)
    train, holdout = few_shot(examples, 5, 0)
    assert examples.take(train).counts() == {"a": 5, "b": 5, "c": 5}
    assert examples.take(holdout).counts() == {"a": 25, "b": 5, "c": 1}
    assert not set(train) & set(holdout)


def test_larger_draws_contain_smaller_ones() -> None:
    examples = made([0] * 30 + [1] * 30)
    assert set(few_shot(examples, 3, 4)[0]) < set(few_shot(examples, 7, 4)[0])


def test_copies_are_one_shot() -> None:
    examples = made([0] * 8 + [1] * 8, ["x"] * 6 + ["y", "z"] + [f"d{i}" for i in range(8)])
    train, _ = few_shot(examples, 2, 0)
    assert len({examples.digests[i] for i in train}) == 4
    with pytest.raises(UserError, match="class 'a' has 3 different pictures, but 3 shots need at least 4"):
        few_shot(examples, 3, 0)


def test_too_few_for_the_shots() -> None:
    with pytest.raises(UserError, match="class 'b' has 5 different pictures, but 5 shots need at least 6"):
        few_shot(made([0] * 9 + [1] * 5), 5, 0)


@pytest.mark.parametrize("seed", range(5))
def test_labels_come_from_several_groups_and_the_holdout_from_others(seed: int) -> None:
    """Six speakers of every class: labels of one alone would leave nothing to cross-validate on."""
    groups = [f"g{i // 20}" for i in range(120)]
    examples = made([i % 4 for i in range(120)], None, groups)
    draws = [few_shot(examples, shots, seed) for shots in (2, 3, 5)]
    for shots, (train, holdout) in zip((2, 3, 5), draws, strict=True):
        assert examples.take(train).counts() == dict.fromkeys("abcd", shots)
        learned, judged = ({groups[i] for i in side} for side in (train, holdout))
        assert len(learned) == min(shots, 3)
        assert judged == set(groups) - learned
        assert len(holdout) == 20 * len(judged)
        assert folds(examples.labels[train], 3, 0, examples.take(train).groups)
    assert set(draws[0][0]) < set(draws[1][0]) < set(draws[2][0])


def test_labels_that_are_set_aside_cannot_be_drawn() -> None:
    examples = made([0, 1] * 6, None, ["x"] * 6 + ["y"] * 6)
    assert len(few_shot(examples, 3, 0)[0]) == 6
    with pytest.raises(UserError, match="class 'a' has 3 different pictures to draw from, but 4 shots need as many"):
        few_shot(examples, 4, 0)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_folds_partition_and_are_stratified(k: int) -> None:
    labels = np.array([0] * 33 + [1] * 20 + [2] * 7)
    splits = folds(labels, k, 0)
    assert len(splits) == k
    assert sorted(i for _, valid in splits for i in valid) == list(range(60))
    for train, valid in splits:
        assert sorted([*train, *valid]) == list(range(60))
        for c, size in enumerate((33, 20, 7)):
            assert (labels[valid] == c).sum() in (size // k, -(-size // k))
        assert abs(len(valid) - 60 / k) <= 2


def test_folds_follow_the_seed() -> None:
    labels = np.arange(40) % 2
    same, other = folds(labels, 4, 7), folds(labels, 4, 8)
    np.testing.assert_array_equal(folds(labels, 4, 7)[0][1], same[0][1])
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(same, other, strict=True))


@pytest.mark.parametrize("counts", [(1, 1, 2), (2, 2), (1, 5), (1, 2, 3), (2, 30), (1, 1, 1, 1, 1, 6)])
@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_small_classes_keep_a_training_example(counts: tuple[int, ...], k: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    splits = folds(labels, k, 1)
    assert len(splits) <= k
    for train, valid in splits:
        assert set(labels[train]) == set(range(len(counts)))
        assert len(valid)
    validated = Counter(int(i) for _, valid in splits for i in valid)
    expected = [i for i in range(len(labels)) if counts[labels[i]] > 1]
    assert sorted(validated) == expected  # all but the only examples of a class, once each
    assert set(validated.values()) == {1}


def test_nothing_to_validate() -> None:
    assert folds(np.arange(6), 5, 0) == []
    with pytest.raises(ValueError, match="at least 2 folds"):
        folds(np.zeros(4, dtype=int), 1, 0)


@pytest.mark.parametrize("seed", range(10))
def test_folds_keep_groups_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, groups = rng.integers(0, 3, 60), [f"g{i}" for i in rng.integers(0, 9, 60)]
    labels[:5], groups[:5] = 3, ["alone"] * 5  # a class that is one group: never validated
    splits = folds(labels, 3, seed, groups)
    assert len(splits) == 3
    for train, valid in splits:
        assert not {groups[i] for i in train} & {groups[i] for i in valid}
        assert set(labels[train]) == {0, 1, 2, 3}
        assert 3 not in labels[valid]
        assert len(valid) > 5


def test_test_pictures_leave_the_training_set(caplog: pytest.LogCaptureFixture) -> None:
    train, test = made([0, 0, 1, 1, 1], list("vwxyx")), made([0, 1], list("xq"))
    kept, count = drop_duplicates(train, test)
    assert count == 2
    assert kept.digests == ("v", "w", "y")
    assert kept.counts() == {"a": 2, "b": 1}
    assert not caplog.records
    unlabelled, count = drop_duplicates(train.unlabelled(), test)
    assert (len(unlabelled), count) == (3, 2)


def test_a_class_that_is_all_in_the_test_set() -> None:
    with pytest.raises(UserError, match="every picture of class 'b' is also in the test set"):
        drop_duplicates(made([0, 0, 1], list("vwx")), made([0, 1], list("xq")))


def test_contradictory_labels_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    train = made([0, 0, 1, 1, 1], list("vwvyy"))
    assert conflicts(train) == [("0000", "0002")]
    with caplog.at_level(logging.WARNING, "regraft"):
        kept, count = drop_duplicates(train, made([0], ["q"]))
    assert (len(kept), count) == (5, 0)
    assert "1 pictures have several labels, the first: 0000 and 0002" in caplog.text


def named(labels: list[int], *classes: str) -> Examples:
    examples = made(labels)
    object.__setattr__(examples, "classes", classes)
    return examples


def test_test_labels_follow_the_order_of_the_target() -> None:
    target, test = named([0, 1, 2], "ant", "bee", "cat"), named([0, 1, 1], "cat", "ant")
    aligned = align_classes(target, test)
    assert aligned.labels is not None
    assert aligned.labels.tolist() == [2, 0, 0]
    assert aligned.classes == target.classes
    assert aligned.counts() == {"ant": 2, "bee": 0, "cat": 1}


def test_class_names_that_differ_are_named() -> None:
    with pytest.raises(UserError, match=r"lacks: 'cats' \(nearest: 'cat'\), 'zebra'; use the same names in both"):
        align_classes(named([0, 1], "cat", "dog"), named([0, 1, 2], "cats", "dog", "zebra"))
