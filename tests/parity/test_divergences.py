"""Divergences against golden numbers, closed forms and slow references.

Golden numbers: shared/reference/methods.md, section 4.8, a transcription of the papers' formulas in float64.
"""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import energy_distance
from sklearn.linear_model import Ridge

from regraft.divergences.coral import Coral
from regraft.divergences.energy import Energy
from regraft.divergences.frechet import Frechet
from regraft.divergences.h_divergence import HDivergence
from regraft.divergences.mmd import Mmd, _median, _squared_distances
from regraft.divergences.proxy_a import ProxyA
from regraft.divergences.sliced_wasserstein import SlicedWasserstein


def golden() -> tuple[np.ndarray, np.ndarray]:
    i, j = np.arange(60)[:, None], np.arange(6)
    x = np.sin(0.7 * (i + 1) * (j + 1) + 0.3 * j) + 0.8 * (j == i % 3)
    return x[:40], 1.2 * x[20:] + 0.3


@pytest.mark.parametrize(
    ("divergence", "value"),
    [
        (Coral(), 0.009091),
        (Frechet(), 0.876221),
        (Mmd(bandwidth=6, scales=(1.0,)), 0.065815),
        (Mmd(bandwidth=6, scales=(1.0,), unbiased=True), 0.030869),
    ],
)
def test_golden(divergence, value):
    assert divergence(*golden()).item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("shapes", [((5, 40), (9, 40)), ((30, 8), (20, 8)), ((8, 16), (8, 16))])
def test_coral_is_the_distance_of_two_covariances_however_wide(shapes):
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal(shape) + 5 for shape in shapes)
    slow = np.square(np.cov(a.T) - np.cov(b.T)).sum() / (4 * a.shape[1] ** 2)
    assert Coral()(a, b).item() == pytest.approx(slow, rel=1e-9)


def test_coral_of_scaled_identity_in_closed_form():
    """Rows +-e_i sqrt(D) have covariance 2 D I / (2 D - 1); doubling them makes it four times that."""
    dim = 3
    a = np.vstack([np.eye(dim), -np.eye(dim)]) * dim**0.5
    c = 2 * dim / (2 * dim - 1)
    assert Coral()(a, 2 * a).item() == pytest.approx((3 * c) ** 2 * dim / (4 * dim**2))


def test_mmd_of_two_points_in_closed_form():
    a, b = np.zeros((1, 2)), np.array([[3.0, 4.0]])
    for unbiased in (False, True):
        value = Mmd(bandwidth=10, scales=(1.0, 2.0), unbiased=unbiased)(a, b).item()
        assert value == pytest.approx(2 * (2 - np.exp(-25 / 10) - np.exp(-25 / 20)))


@pytest.mark.parametrize("unbiased", [False, True])
def test_mmd_against_a_loop(unbiased):
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((7, 3)), generator.standard_normal((5, 3)) + 1
    pooled = np.vstack([a, b])
    squares = sorted(np.square(p - q).sum() for i, p in enumerate(pooled) for j, q in enumerate(pooled) if i != j)
    width = squares[(len(squares) - 1) // 2]

    def mean(x, y, same):
        pairs = [(p, q) for i, p in enumerate(x) for j, q in enumerate(y) if not (same and unbiased and i == j)]
        return np.mean([sum(np.exp(-np.square(p - q).sum() / (s * width)) for s in (0.5, 2.0)) for p, q in pairs])

    slow = mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)
    assert Mmd(scales=(0.5, 2.0), unbiased=unbiased)(a, b).item() == pytest.approx(slow)


def test_unbiased_mmd_of_one_distribution_averages_to_zero():
    torch.manual_seed(0)
    values = torch.stack([Mmd(unbiased=True)(torch.randn(20, 4), torch.randn(20, 4)) for _ in range(300)])
    assert abs(values.mean()) < 3 * values.std() / 300**0.5
    assert (values < 0).any()


def test_median_leaves_self_distances_out_and_survives_collapse():
    x = torch.tensor([[0.0], [1.0], [3.0]])
    assert _median(_squared_distances(x)).item() == pytest.approx(4, rel=1e-5)
    assert _median(torch.zeros(4, 4)).item() == 1


def test_energy_against_scipy_on_a_line():
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((17, 1)), 2 * generator.standard_normal((11, 1)) + 1
    assert Energy()(a, b).item() == pytest.approx(energy_distance(a[:, 0], b[:, 0]) ** 2)


def test_energy_against_a_loop():
    a, b = golden()
    near = [np.mean([np.linalg.norm(p - q) for p in x for q in y]) for x, y in ((a, b), (a, a), (b, b))]
    assert Energy()(a, b).item() == pytest.approx(2 * near[0] - near[1] - near[2])


def test_many_pairs_are_estimated_from_some_whatever_the_order():
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((9000, 3)), generator.standard_normal((5000, 3)) + 0.5
    few = Energy()(a[:3900], b[:3900]).item()
    many = Energy()(a, b).item()
    assert many == pytest.approx(few, rel=0.1)
    assert Energy()(a[::-1], b[::-1]).item() == pytest.approx(many)


@pytest.mark.parametrize(("n", "m"), [(6, 6), (6, 4), (1, 5)])
def test_sliced_wasserstein_on_a_line_matches_sorted_copies(n, m):
    """As many copies of each example as make both samples equally large: then rank is paired with rank."""
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal(n), generator.standard_normal(m) + 1
    slow = np.square(np.sort(np.repeat(a, m)) - np.sort(np.repeat(b, n))).mean()
    assert SlicedWasserstein()(a[:, None], b[:, None]).item() == pytest.approx(slow)


def test_sliced_wasserstein_of_a_shift_is_its_share_of_a_line():
    """All is moved by v: each line sees its part of it, whose square is |v|^2 / D in the mean over directions."""
    a = np.random.default_rng(0).standard_normal((30, 5))
    moved = a + np.array([3.0, 0, 0, 0, 0])
    assert SlicedWasserstein(lines=20_000)(a, moved).item() == pytest.approx(9 / 5, rel=0.02)


@pytest.mark.parametrize("shapes", [((30, 6), (20, 6)), ((5, 12), (9, 12)), ((40, 8), (6, 8))])
def test_frechet_against_the_root_of_a_matrix(shapes):
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal(shape) @ np.diag(1 + np.arange(shape[1])) + 5 for shape in shapes)
    first, second = np.cov(a.T), np.cov(b.T)
    overlap = np.trace(sqrtm(sqrtm(first) @ second @ sqrtm(first)).real)
    slow = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first) + np.trace(second) - 2 * overlap
    assert Frechet()(a, b).item() == pytest.approx(slow, rel=1e-4)  # roots of singular matrices are only so exact


def test_proxy_a_against_leaving_each_example_out():
    a, b = golden()
    x, side = np.vstack([a, b]), np.repeat([1.0, -1.0], [len(a), len(b)])
    weights = np.where(side > 0, 0.5 / len(a), 0.5 / len(b))
    spread = weights @ np.square(x - weights @ x).sum(1) / min(x.shape)
    wrong = []
    for i in range(len(x)):
        keep = np.arange(len(x)) != i
        # The penalty is in units of weights that sum to one over all; it leaves the constant alone, as Ridge does.
        model = Ridge(alpha=spread).fit(x[keep] - weights @ x, side[keep], sample_weight=weights[keep])
        wrong.append(side[i] * model.predict(x[i : i + 1] - weights @ x)[0] <= 0)
    assert ProxyA()(a, b).item() == pytest.approx(max(0, 2 * (1 - 2 * weights @ np.array(wrong))))


def test_only_the_symmetric_difference_sees_a_spread():
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((300, 4)), 3 * generator.standard_normal((300, 4))
    assert ProxyA()(a, b).item() < 0.2
    assert HDivergence()(a, b).item() > 1


def test_the_symmetric_difference_bounds_the_linear_one_on_average():
    """Lines are among the quadratic borders; leaving out costs the richer class something where there is little."""
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((200, 4)), generator.standard_normal((200, 4)) + 0.7
    assert HDivergence()(a, b).item() > ProxyA()(a, b).item() - 0.1


def test_gradients_agree_with_finite_differences():
    torch.manual_seed(0)
    a, b = torch.randn(4, 3, dtype=torch.double, requires_grad=True), torch.randn(5, 3, dtype=torch.double) + 1
    smooth = (Coral(), Mmd(bandwidth=3.0), Mmd(bandwidth=3.0, unbiased=True), Energy(), SlicedWasserstein(), Frechet())
    for divergence in smooth:
        assert torch.autograd.gradcheck(lambda x, d=divergence: d(x, b), (a,))
