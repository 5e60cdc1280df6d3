"""Laws of every alignment."""

from contextlib import suppress

import numpy as np
import pytest
import torch

from regraft.alignments._base import Alignment
from regraft.core import catalog
from regraft.core.errors import CandidateError, UserError
from regraft.heads._layers import plan, rebuilt

NAMES = catalog.names("alignments")
SHAPES = [(12, 40), (24, 24), (60, 5)]  # N < D, N = D, N > D


def make(name: str) -> Alignment:
    return catalog.find("alignments", name)()


def draw(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of three classes, some of them far apart, and their labels."""
    labels = np.arange(shape[0]) % 3
    means = 3 * np.random.default_rng(7).normal(size=(3, shape[1]))
    return means[labels] + np.random.default_rng(seed).normal(size=shape), labels


def moved(x: np.ndarray) -> np.ndarray:
    """Another domain: stretched, turned a little, and shifted."""
    turn = np.linalg.qr(np.eye(x.shape[1]) + 0.1 * np.random.default_rng(3).normal(size=(x.shape[1],) * 2))[0]
    return x @ turn * 1.5 + 2.0


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of the means over the spread of both."""
    return float(np.linalg.norm(a.mean(0) - b.mean(0)) / np.sqrt(np.concatenate([a, b]).var(0).sum()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_both_domains_come_into_one_space_whatever_the_order_of_rows(name, shape):
    (x, labels), y = draw(shape), moved(draw((21, shape[1]), 1)[0])
    aligned = make(name).fit(x, labels, y)
    a, b = aligned.source(x), aligned.target(y)
    assert a.shape[1] == b.shape[1]
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    turned = np.random.default_rng(2).permutation(len(x))
    again = make(name).fit(x[turned], labels[turned], y[::-1])
    one, two = np.concatenate([a, b]), np.concatenate([again.source(x), again.target(y)])
    assert one @ one.T == pytest.approx(two @ two.T, abs=1e-4 * np.abs(one @ one.T).max())  # up to signs of axes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_gap_between_the_domains_falls(name, shape):
    (x, labels), y = draw(shape), moved(draw((21, shape[1]), 1)[0])
    aligned = make(name).fit(x, labels, y)
    assert gap(aligned.source(x), aligned.target(y)) < 0.5 * gap(x, y)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_that_the_source_lacks_and_one_example_of_another(name):
    x, labels = draw((30, 5))
    few = np.flatnonzero((labels == 0) | (np.arange(30) == 1))
    aligned = make(name).fit(x[few], labels[few], moved(x))
    assert np.isfinite(aligned.source(x[few])).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_layers_are_kept_and_rebuilt(name):
    (x, labels), y = draw((30, 5)), moved(draw((30, 5), 1)[0])
    aligned = make(name).fit(x, labels, y)
    for layer in (aligned.source_layer, aligned.target_layer):
        again = rebuilt(plan(layer), layer.state_dict())
        inputs = torch.from_numpy(y).float()
        assert torch.equal(again(inputs), layer(inputs))
        assert again(inputs).dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_matrix_and_no_class_is_refused(name):
    good, labels = draw((12, 3))
    for x, y, of, said in [
        (good[:, 0], good, labels, "matrix"),
        (good, good[:, :2], labels, "same number of features"),
        (np.where(good > 1, np.inf, good), good, labels, "not finite"),
        (good * 1e71, good, labels, r"beyond 1e\+70"),
        (good * 1e-200, good, labels, "too small to be squared"),
        (good, good, labels[:3], "3 and 12 labels"),
        (
            good,
            good,
            np.array(list("ab"))[labels % 2],
            "whole numbers from 0, or -1 where unknown, got 'a'; numpy.unique",
        ),
        (good, good, labels + 0.5, "whole numbers"),
    ]:
        with pytest.raises(UserError, match=said):
            make(name).fit(x, of, y)


@pytest.mark.parametrize("name", NAMES)
def test_features_of_another_width_are_refused(name):
    good, labels = draw((24, 3))
    fitted = make(name).fit(good, labels, good + 0.5)
    for mapped, whose in ((fitted.source, "the source"), (fitted.target, "the target")):
        with pytest.raises(UserError, match=f"{whose} has 2 features, but the alignment was fitted on 3; give as many"):
            mapped(good[:, :2])


@pytest.mark.parametrize("name", [name for name in NAMES if make(name).labelled])
def test_labels_that_are_all_unknown_are_refused(name):
    good, _ = draw((12, 3))
    with pytest.raises(UserError, match="all of theirs are unknown"):
        make(name).fit(good, np.full(12, -1), good)


@pytest.mark.parametrize("scale", [1e69, 1e-69])
@pytest.mark.parametrize("name", NAMES)
def test_features_beyond_arithmetic_give_finite_ones_or_a_sentence(name, scale):
    """Not what numpy says of them: fourth powers of these nearly overflow, or squares are zero."""
    x, labels = draw((12, 3))
    with np.errstate(all="ignore"), suppress(CandidateError):
        found = make(name).fit(scale * x, labels, scale * (x + 1))
        assert np.isfinite(found.source(scale * x)).all()
