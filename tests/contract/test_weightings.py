"""Laws of every weighting."""

import numpy as np
import pytest
import torch

from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.weightings._base import Weighting, effective_size, tempered

NAMES = catalog.names("weightings")
SHAPES = [(12, 40), (24, 24), (60, 5)]  # N < D, N = D, N > D


def make(name: str) -> Weighting:
    return catalog.find("weightings", name)()


def draw(shape: tuple[int, int], shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of two overlapping classes, the second rarer, and their labels."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(shape[0]) % 3 == 0).astype(int)
    return rng.normal(size=shape) + shift + labels[:, None], labels


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_weights_have_mean_one_and_follow_the_order_of_rows(name, shape):
    weighting, (x, labels), (y, _) = make(name), draw(shape), draw((20, shape[1]), 0.5, 1)
    weights = weighting(x, y, labels)
    assert weights.shape == (shape[0],)
    assert weights.mean() == pytest.approx(1)
    assert (weights >= 0).all()
    turned = np.random.default_rng(2).permutation(len(x))
    assert weighting(x[turned], y[::-1], labels[turned]) == pytest.approx(weights[turned], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("unit", "origin"), [(2.54, 7), (1e-40, 0), (1e40, 0)])
@pytest.mark.parametrize("name", NAMES)
def test_the_unit_and_the_origin_of_features_do_not_matter(name, unit, origin):
    """Of more examples than have kernels, so that it also holds of which have one."""
    (x, labels), (y, _) = draw((150, 3)), draw((150, 3), 0.5, 1)
    weights = make(name)(x, y, labels)
    assert make(name)(unit * x + origin, unit * y + origin, labels) == pytest.approx(weights, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_arrays_and_tensors_agree(name):
    (x, labels), (y, _) = draw((30, 4)), draw((20, 4), 0.5, 1)
    tensors = make(name)(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(labels))
    assert (tensors == make(name)(x, y, labels)).all()


@pytest.mark.parametrize("name", NAMES)
def test_identical_domains_are_weighted_alike(name):
    x, labels = draw((200, 2))
    weights = make(name)(x, x, labels)
    assert effective_size(weights) > 0.8 * len(x)


@pytest.mark.parametrize("name", [n for n in NAMES if not catalog.find("weightings", n).labelled])
def test_a_known_density_ratio_is_recovered(name):
    """Standard normal against one of mean 1: the ratio is exp(x - 1/2), of which the log is x up to a constant."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 1)), rng.normal(1.0, 1.0, (600, 1))
    weights, truth = make(name)(x, y), np.exp(x[:, 0] - 0.5)
    within = np.abs(x[:, 0] - 0.5) < 1.5  # where both have examples
    bins = np.digitize(x[within, 0], np.linspace(-1, 2, 7))
    means = [[of[within][bins == b].mean() for b in np.unique(bins)] for of in (weights, truth)]
    assert np.corrcoef(*np.log(means))[0, 1] > 0.9
    assert weights @ x[:, 0] / len(x) > 0.4  # the weighted mean moves towards the target's, which is 1


@pytest.mark.parametrize("name", [n for n in NAMES if catalog.find("weightings", n).labelled])
def test_a_known_change_of_shares_is_recovered(name):
    rng = np.random.default_rng(0)
    labels, there = rng.permutation(np.repeat([0, 1], [300, 100])), np.repeat([0, 1], [100, 300])
    x, y = (rng.normal(size=(400, 2)) + 2.5 * of[:, None] for of in (labels, there))
    weights = make(name)(x, y, labels)
    assert weights == pytest.approx(np.where(labels == 1, 3.0, 1 / 3), rel=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_few_rare_and_equal_examples_are_weighted_too(name):
    """One example a class; a class with one example; features that are constant; a single example on either side."""
    (x, labels), (y, _) = draw((12, 3)), draw((8, 3), 0.5, 1)
    rare = np.where(np.arange(12) == 5, 2, labels)
    one, other = x[:1], y[:1]
    cases = [(x, y, np.arange(12)), (x, y, rare), (np.ones((6, 2)), np.ones((5, 2)), labels[:6])]
    cases += [(x, y + 1e4, labels), (x, other, labels), (one, y, labels[:1]), (one, other, labels[:1])]
    for source, target, of in cases:
        weights = make(name)(source, target, of)
        assert np.isfinite(weights).all()
        assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_matrix_is_refused(name):
    good, labels = draw((10, 3))
    for x, y, said in [
        (good[:, 0], good, "matrix"),
        (good[:0], good, "non-empty"),
        (good, good[:, :2], "same number of features"),
        (np.where(good > 1, np.nan, good), good, "not finite"),
        (good, good * 1e71, "beyond 1e\\+70"),
        (good * 1e-100, good, "all below 1e-70"),
    ]:
        with pytest.raises(UserError, match=said):
            make(name)(x, y, labels)
    with pytest.raises(UserError, match="label"):
        make(name)(good, good, 1)
    with pytest.raises(UserError, match="each of the 10 source examples, got 9"):
        make(name)(good, good, labels[:9])
    if catalog.find("weightings", name).labelled:
        with pytest.raises(UserError, match=f"{name} needs a label for each source example"):
            make(name)(good, good, labels - 1)


@pytest.mark.parametrize("name", [n for n in NAMES if catalog.find("weightings", n).labelled])
def test_labels_that_are_needed_are_asked_for(name):
    x, labels = draw((10, 3))
    for wrong in (None, labels[:5]):
        with pytest.raises(UserError, match="a label for each of the 10"):
            make(name)(x, x, wrong)


def test_the_effective_size_of_kish():
    assert effective_size(np.ones(7)) == pytest.approx(7)
    assert effective_size(np.array([1.0, 0, 0])) == pytest.approx(1)
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(16 / 10)


def test_weights_are_flattened_no_more_than_needed():
    weights = np.array([6.0, 1, 1, 0, 0, 0, 0, 0])
    for least in (0.25, 0.5, 1.0):
        flat = tempered(weights, least)
        assert flat.mean() == pytest.approx(1)
        assert effective_size(flat) >= least * 8 * (1 - 1e-6)
        assert (np.diff(flat) <= 1e-9).all()
    assert tempered(weights, 0.1) == pytest.approx(weights)
