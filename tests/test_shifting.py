"""What tells two domains apart: tests that hold their level, and what labels say of it."""

import numpy as np
import pytest

from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.permutation import adjusted, columns, compared, detectable, divisions
from regraft.shifting import Sample, _label_shares, sentence, shift


def normal(seed: int, count: int = 60, width: int = 4, at: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)) + at


def p_of(rows: np.ndarray, n: int, groups=(None, None), name: str = "energy", seed: int = 0) -> float:
    return compared(name, rows, n, list(divisions((n, len(rows) - n), groups, seed)))["p"]


def test_p_values_hold_their_level_where_nothing_moved():
    """Of 100 tests at 0.1, at most 20 count: the 0.999 quantile of Binomial(100, 0.1)."""
    found = [p_of(normal(seed, 40), 20, seed=seed) for seed in range(100)]
    assert np.mean(np.array(found) <= 0.1) <= 20 / 100
    assert np.mean(np.array(found) <= 0.5) >= 0.35


@pytest.mark.parametrize("name", ["energy", "mmd", "proxy_a", "coral"])
def test_pairs_and_plain_divergences_count_the_same_divisions(name):
    """The p-value is the share of divisions that lie at least as far apart, the given one among them."""
    rows = np.concatenate([normal(0, 15), 1.4 * normal(1, 15, at=0.3)])
    divided = list(divisions((15, 15), (None, None), 0))
    measure = catalog.find("divergences", name)()
    value = float(measure(rows[:15], rows[15:]))
    above = sum(float(measure(rows[side], rows[~side])) >= value - 1e-9 for side in divided)
    found = compared(name, rows, 15, divided)
    assert found["value"] == pytest.approx(value)
    assert found["p"] == pytest.approx((1 + above) / (1 + len(divided)))


def test_examples_of_a_group_are_not_taken_for_independent():
    """Ten recordings of each of six speakers a side, who differ: between the sides there is nothing."""
    alone, together = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = np.repeat(rng.normal(size=(12, 4)), 10, axis=0) + 0.3 * rng.normal(size=(120, 4))
        names = tuple(str(i // 10) for i in range(60))
        alone.append(p_of(rows, 60, seed=seed))
        together.append(p_of(rows, 60, (names, names), seed=seed))
    assert np.mean(np.array(alone) < 0.05) > 0.5
    assert np.mean(np.array(together) < 0.05) <= 0.25


def test_a_move_that_is_said_to_be_seen_is_seen():
    """In units of the spread inside a domain, here the root of the width; found 4 times of 5, judged by 40 draws."""
    rows = normal(0, 120)
    least = detectable(rows, 60, (None, None), 0)
    assert 0.05 < least < 1
    found = []
    for seed in range(40):
        way = np.random.default_rng(1000 + seed).normal(size=4)
        moved = np.concatenate([normal(2 * seed), normal(2 * seed + 1) + 2 * least * way / np.linalg.norm(way)])
        found.append(p_of(moved, 60, seed=seed) <= 0.05)
    assert np.mean(found) >= 0.6
    assert detectable(normal(0, 8), 4, (None, None), 0) is None
    names = tuple(str(i // 20) for i in range(60))  # three groups a side have ten divisions
    assert detectable(rows, 60, (names, names), 0) is None


def test_shares_of_classes_that_moved_are_told_from_features_that_moved():
    rng = np.random.default_rng(0)
    few, many = (rng.choice(2, 200, p=p) for p in ((0.8, 0.2), (0.3, 0.7)))
    centre = np.array([[0.0] * 4, [3.0] * 4])
    x, z = centre[few] + normal(1, 200), centre[many] + normal(2, 200)
    found = shift(Sample(x, few, ("cat", "dog")), Sample(z, many, ("cat", "dog")))
    assert found["found"]
    assert found["labels"]["p"] < 1e-6
    assert all(row["adjusted"] > 0.05 for row in found["classes"])
    assert found["conditional"]["gain"]["low"] <= 0
    assert "weigh" in found["sentence"]
    assert "No class by itself surely looks different, so the features moved with the shares" in found["sentence"]
    blind = shift(Sample(x, few, ("cat", "dog")), Sample(z))
    assert blind["labels"]["estimated"]
    assert blind["labels"]["shares"][1][1] == pytest.approx((many == 1).mean(), abs=0.05)


def test_labels_that_mean_something_else_are_seen_by_a_classifier_of_the_source():
    """The same features, the classes exchanged: only what follows from a feature differs."""
    labels = np.arange(120) % 2
    x = normal(1, 120) + 2.0 * labels[:, None]
    z = normal(2, 120) + 2.0 * labels[:, None]
    found = shift(Sample(x, labels, ("a", "b")), Sample(z, 1 - labels, ("a", "b")))
    assert not found["found"]
    assert found["differs"]
    assert found["sentence"].startswith("No shift of the features as a whole was found; a move")
    assert "Of 2 classes, 2 look different" in found["sentence"]
    assert found["conditional"]["gain"]["low"] > 0.8
    assert "points worse on the second" in found["sentence"]


def test_a_classifier_that_knows_nothing_is_not_recommended():
    """Labels that follow from nothing: neither classifier is better than the most frequent class."""
    labels = np.random.default_rng(3).choice(2, 120, p=(0.7, 0.3))
    found = shift(Sample(normal(0, 120), labels, ("a", "b")), Sample(normal(1, 120), labels[::-1], ("a", "b")))
    assert max(found["conditional"]["foreign"], found["conditional"]["own"]) < found["conditional"]["majority"] + 0.05
    low = {**found, "conditional": {**found["conditional"], "foreign": 0.6, "own": 0.6, "majority": 0.7}}
    assert "Neither a classifier of the first" in sentence(low)
    assert "use it as it is" not in found["sentence"]


def test_shares_of_patients_are_not_those_of_their_examples():
    """Ten examples of each of twelve patients, whose label is the patient's; no true shift."""
    examples, patients = [], []
    names = tuple(str(i // 10) for i in range(60))
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels = [np.repeat(rng.permutation([0, 1, *rng.integers(2, size=4)]), 10) for _ in range(2)]
        x = [rng.normal(size=(60, 2)) for _ in range(2)]
        for found, groups in ((examples, None), (patients, names)):
            sides = [Sample(of, y, ("a", "b"), groups) for of, y in zip(x, labels, strict=True)]
            rows = np.concatenate(x)
            found.append(_label_shares(*sides, rows, seed)["p"])
    assert np.mean(np.array(examples) < 0.05) >= 0.3
    assert np.mean(np.array(patients) < 0.05) <= 0.1


def test_no_shift_is_said_with_what_could_have_been_seen():
    found = shift(Sample(normal(0)), Sample(normal(1)))
    assert not found["found"]
    assert found["labels"] == found["conditional"] == {}
    assert f"a move of the mean by {found['detectable']:.2g} of the spread would have been" in found["sentence"]
    assert sentence({**found, "detectable": None}).startswith("No shift was found, but there are too few examples")


def test_order_and_unit_of_features_do_not_matter():
    a, b = normal(0), 1.3 * normal(1, at=0.2)
    one = shift(Sample(a), Sample(b))
    other = shift(Sample(1000 * a[:, ::-1] + 5), Sample(1000 * b[:, ::-1] + 5))
    for row, again in zip(one["divergences"], other["divergences"], strict=True):
        if row["name"] != "sliced_wasserstein":  # its lines are of the components, whose signs may flip
            assert again["value"] == pytest.approx(row["value"], rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (np.ones((1, 2)), np.zeros((3, 2)), "at least two examples"),
        (np.ones((3, 2)), np.zeros((3, 3)), "different widths, 2 and 3"),
        (np.ones((3, 2)), np.ones((3, 2)), "all examples of both domains have the same features"),
        (np.array([[1.0, np.nan], [0, 0]]), np.zeros((3, 2)), "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, said):
    with pytest.raises(UserError, match=said):
        shift(Sample(a), Sample(b))


def test_columns_that_moved_come_first_and_missing_values_are_left_out():
    x, z = normal(0, 100), normal(1, 100)
    z[:, 2] += 1
    x[:90, 3] = np.nan
    named = [dict(zip("abcd", of.T, strict=True)) for of in (x, z)]
    found = columns(*named)
    assert found[0]["name"] == "c"
    assert found[0]["adjusted"] < 0.001
    assert {row["name"] for row in found} == set("abcd")
    assert columns({"a": np.array([np.nan, 1.0])}, {"a": np.array([1.0, 2.0])}) == adjusted([]) == []
