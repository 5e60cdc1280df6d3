"""Splits of examples whose labels are numbers."""

from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.data.splits import align_classes, drop_duplicates, few_shot, folds, holdout_split
from regraft.readers._base import read


def examples(labels: np.ndarray, groups: tuple[str, ...] | None = None) -> Examples:
    names = tuple(f"row {i}" for i in range(len(labels)))
    return Examples(names, names, names, np.asarray(labels, dtype=np.float64), (), groups, kind="table")


def skewed(count: int = 300) -> np.ndarray:
    return np.random.default_rng(0).lognormal(0, 1, count)


def test_strata_are_bins_of_nearly_equal_size():
    found = examples(skewed())
    assert np.bincount(found.strata).tolist() == [30] * 10
    order = np.argsort(found.labels)
    assert (np.diff(found.strata[order]) >= 0).all()


def test_equal_numbers_share_a_stratum():
    labels = np.random.default_rng(1).integers(3, 7, 200)
    found = examples(labels)
    assert all(len(np.unique(found.strata[labels == value])) == 1 for value in range(3, 7))
    assert set(found.strata) == set(range(len(set(found.strata))))


def test_strata_of_classes_are_the_classes():
    labels = np.array([1, 0, 2, 1])
    names = ("a", "b", "c", "d")
    found = Examples(names, names, names, labels, ("x", "y", "z"))
    assert found.strata is found.labels
    assert not found.numeric


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_few_numbers_have_few_strata(count):
    assert examples(np.arange(count)).strata.max() < max(1, count // 4)


def test_the_holdout_has_three_tenths_of_each_bin():
    found = examples(skewed())
    rest, aside = holdout_split(found)
    assert sorted([*rest, *aside]) == list(range(300))
    assert np.bincount(found.strata[aside]).tolist() == [9] * 10


def test_shots_are_in_all_and_keep_the_shares():
    labels = np.random.default_rng(2).choice([3.0, 5.0, 6.0, 8.0], 400, p=[0.05, 0.5, 0.4, 0.05])
    found = examples(labels)
    drawn, rest = few_shot(found, 40, 0)
    assert (len(drawn), len(rest)) == (40, 360)
    shares = [np.isin(labels[rows], [5.0]).mean() for rows in (drawn, rest)]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)
    smaller = few_shot(found, 10, 0)[0]
    assert set(smaller) <= set(drawn)
    assert set(few_shot(found, 40, 1)[0]) != set(drawn)


def test_too_many_shots_are_refused():
    with pytest.raises(UserError, match="there are 5 different rows, but 5 shots need at least 6"):
        few_shot(examples(np.arange(5)), 5, 0)


def test_groups_stay_together():
    groups = tuple(f"patient {i // 6}" for i in range(120))
    found = examples(skewed(120), groups)
    for train, aside in (holdout_split(found), few_shot(found, 12, 0)):
        assert not {groups[i] for i in train} & {groups[i] for i in aside}
        assert len(aside)
    for train, aside in folds(found.strata, 3, 0, groups):
        assert not {groups[i] for i in train} & {groups[i] for i in aside}


def test_one_group_cannot_be_split():
    with pytest.raises(UserError, match="all rows are in one group or copies"):
        holdout_split(examples(skewed(30), ("one",) * 30))


def test_numbers_and_classes_do_not_mix():
    numbers = examples(skewed(8))
    classes = Examples(*[tuple("abcd")] * 3, np.array([0, 1, 0, 1]), ("x", "y"), kind="table")
    assert align_classes(numbers, numbers) is numbers
    with pytest.raises(UserError, match="the target's labels are numbers, but the test set's are classes"):
        align_classes(numbers, classes)


def test_a_training_set_that_is_the_test_set_is_refused():
    with pytest.raises(UserError, match="every row is also in the test set"):
        drop_duplicates(examples(skewed(8)), examples(skewed(8)))


def table(folder: Path, labels: list[str]) -> Path:
    path = folder / "table.csv"
    path.write_text("x,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    return path


@pytest.mark.parametrize(
    ("labels", "task", "numeric"),
    [
        ([f"{i / 7:.3f}" for i in range(1, 40)], "auto", True),
        ([str(i) for i in range(20)] * 2, "auto", False),
        (["0.5", "1.5"] * 9, "auto", False),
        (["1.0", "0.0"] * 9, "auto", False),
        (["3", "4", "5"] * 4, "regression", True),
        ([f"{i / 7:.3f}" for i in range(1, 20)] * 2, "classification", False),
    ],
)
def test_what_labels_are(tmp_path, labels, task, numeric):
    found = read(table(tmp_path, labels), task=task)
    assert found.numeric is numeric
    assert bool(found.classes) is not numeric
    if numeric:
        assert found.labels.tolist() == [float(label) for label in labels]
        assert found.counts() == {"all": len(labels)}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["1", "2", "three", "4"], "the label 'three' is not a number; correct it"),
        (["1", "2", "nan", "4"], "the label 'nan' is not a number"),
        (["2", "2", "2", "2"], "all labels in .* are the same number"),
        (["1", "2"], "only 2 readable rows in .*; at least 4 are needed"),
        (["1", "", "2", "4"], "row 3 of .* has no label"),
    ],
)
def test_bad_numbers(tmp_path, labels, message):
    with pytest.raises(UserError, match=message):
        read(table(tmp_path, labels), task="regression")


def test_folders_name_no_numbers(tmp_path):
    from PIL import Image

    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (8, 8), (i * 40, 9, int(name))).save(tmp_path / name / f"{i}.png")
    with pytest.raises(UserError, match="numbers to predict need a table"):
        read(tmp_path, task="regression")
