"""Metrics of regression against scikit-learn and SciPy, also on resamples, which are repeated rows."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from regraft.heads._ridge import _PENALTIES, ridge
from regraft.tasks.regression import Regression

TASK = Regression(mean=5.0, deviation=2.0)
THEIRS = {
    "rmse": lambda true, said: root_mean_squared_error(true, said),
    "mae": lambda true, said: mean_absolute_error(true, said),
    "r2": lambda true, said: r2_score(true, said),
    "spearman": lambda true, said: spearmanr(true, said).statistic,
}


def draw(count: int = 60, seed: int = 0, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and predictions (N, 1) of them."""
    rng = np.random.default_rng(seed)
    true = rng.normal(5, 2, count)
    said = 0.6 * true + rng.normal(0, 1, count)
    return (true.round(), said.round()[:, None]) if ties else (true, said[:, None])


def test_every_metric_has_a_reference():
    assert set(TASK.metrics()) == set(THEIRS)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", THEIRS)
def test_metrics_are_those_of_the_libraries(name, ties):
    true, said = draw(ties=ties)
    found = TASK.metrics()[name](said, true, np.ones((1, len(true))))
    assert found == pytest.approx([THEIRS[name](true, said[:, 0])], abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", THEIRS)
def test_weights_are_repeated_examples(name, ties):
    true, said = draw(ties=ties)
    weights = np.random.default_rng(1).integers(0, 4, (5, len(true)))
    rows = [np.repeat(np.arange(len(true)), w) for w in weights]
    wanted = [THEIRS[name](true[r], said[r, 0]) for r in rows]
    assert TASK.metrics()[name](said, true, weights) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", THEIRS)
def test_constant_numbers_give_a_finite_metric(name):
    true, said = np.full(8, 3.0), np.full((8, 1), 4.0)
    assert np.isfinite(TASK.metrics()[name](said, true, np.ones((2, 8)))).all()


def test_the_task_is_in_standard_deviations_of_the_training_labels():
    true, said = np.array([5.0, 7.0]), np.array([[6.0], [3.0]])
    assert TASK.utility(said, true).tolist() == [-0.5, -2.0]
    assert TASK.utility(np.stack([said, said]), true).shape == (2, 2)
    assert TASK.criterion(said, true).tolist() == [-0.25, -4.0]
    assert TASK.encode(true).tolist() == [0.0, 1.0]
    assert TASK.predict(torch.tensor([[0.5], [-1.0]])).tolist() == said.tolist()
    assert float(TASK.loss(torch.tensor([[0.5], [-1.0]]), torch.tensor(true))) == pytest.approx((0.25 + 4.0) / 2)


@pytest.mark.parametrize(("count", "width"), [(40, 6), (20, 50), (12, 12)])
def test_ridge_is_that_of_scikit_learn_with_its_penalty(count, width):
    """scikit-learn, given the same grid, chooses by the same closed form; it too counts the intercept."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(count, width))
    y = x[:, :2].sum(1) + rng.normal(0, 0.5, count)
    x, y = x - x.mean(0), y - y.mean()
    scale = np.mean(np.linalg.svd(x, compute_uv=False)[: min(count - 1, width)] ** 2)
    theirs = RidgeCV(alphas=_PENALTIES * scale).fit(x, y)
    (weight,), (penalty,) = (found.T for found in ridge(x, y[:, None]))
    assert penalty == pytest.approx(theirs.alpha_, rel=1e-6)
    assert weight == pytest.approx(theirs.coef_, rel=1e-5, abs=1e-8)


def test_ridge_of_noise_hardly_says_anything():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 200)), rng.normal(size=40)
    weight, _ = ridge(x - x.mean(0), (y - y.mean())[:, None])
    fresh = rng.normal(size=(500, 200))
    assert (fresh @ weight).std() < 0.5
