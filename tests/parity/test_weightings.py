"""Weightings against golden numbers, closed forms and slow references.

Golden numbers: an independent transcription of the papers' formulas in NumPy, on two domains made of sines.
"""

import numpy as np
import pytest
from scipy.optimize import minimize

from regraft.weightings._label_shift import confusion
from regraft.weightings._rows import dealt, order
from regraft.weightings.bbse import Bbse
from regraft.weightings.domain_classifier import DomainClassifier
from regraft.weightings.kernel_density import KernelDensity
from regraft.weightings.kliep import Kliep, fitted
from regraft.weightings.kmm import Kmm
from regraft.weightings.nearest_neighbour import NearestNeighbour
from regraft.weightings.resampled import Resampled
from regraft.weightings.rlls import Rlls, change
from regraft.weightings.rulsif import Rulsif
from regraft.weightings.ulsif import Ulsif


def golden() -> tuple[np.ndarray, np.ndarray]:
    i, j = np.arange(60)[:, None], np.arange(6)
    x = np.sin(0.7 * (i + 1) * (j + 1) + 0.3 * j) + 0.8 * (j == i % 3)
    return x[:40], 1.2 * x[20:] + 0.3


def kernel(x: np.ndarray, y: np.ndarray, gamma: float = 1 / 6) -> np.ndarray:
    return np.exp(-gamma * np.square(x[:, None] - y[None]).sum(2))


def test_golden_kliep():
    source, target = golden()
    found = Kliep(gamma=1 / 6, tolerance=1e-9).estimate(source, target, None)
    assert found.mean() == pytest.approx(1, abs=1e-9)
    assert found.max() == pytest.approx(2.534435, abs=1e-5)
    near, means = kernel(target, target), kernel(source, target).mean(0)
    assert np.log(near @ fitted(near, means, 1e-9)).sum() == pytest.approx(3.402831, abs=1e-6)


def test_each_step_of_kliep_raises_the_likelihood_and_ends_where_nothing_can():
    source, target = golden()
    near, means = kernel(target, target), kernel(source, target).mean(0)
    values = [np.log(near @ fitted(near, means, tolerance)).sum() for tolerance in (1, 1e-1, 1e-2, 1e-4, 1e-9)]
    assert values == sorted(values)
    best = fitted(near, means, 1e-9)
    slope = near.T @ (1 / (near @ best)) / len(near) / means  # one where a coefficient is free, less where it is zero
    assert slope.max() < 1 + 1e-4
    assert slope[best > 1e-3 * best.max()] == pytest.approx(1, abs=1e-4)


def test_golden_ulsif():
    source, target = golden()
    found = Ulsif(gamma=1 / 6, penalty=0.1).estimate(source, target, None)
    assert (found.mean(), found.max()) == pytest.approx((1.250677, 2.079006), abs=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_rulsif_in_closed_form_stays_below_its_bound(share):
    source, target = golden()
    far, near = kernel(source, target), kernel(target, target)
    products = share * near.T @ near / len(near) + (1 - share) * far.T @ far / len(far)
    theta = np.maximum(np.linalg.inv(products + 0.1 * np.eye(len(near))) @ near.mean(0), 0)
    found = Rulsif(gamma=1 / 6, penalty=0.1, share=share).estimate(source, target, None)
    assert found == pytest.approx(far @ theta)
    assert found.max() < 1 / share


def test_the_width_and_penalty_of_least_squares_have_the_least_error_of_folds():
    source, target = golden()
    for gamma in (0.02, 0.2):
        errors = {p: _left_out(source, target, gamma, p) for p in (0.001, 0.01, 0.1, 1.0, 10.0)}
        best = min(errors, key=errors.__getitem__)
        chosen = Ulsif(gamma=gamma, folds=4).estimate(source, target, None)
        assert chosen == pytest.approx(Ulsif(gamma=gamma, penalty=best).estimate(source, target, None))


def _left_out(source: np.ndarray, target: np.ndarray, gamma: float, penalty: float) -> float:
    """The cross-validated error of uLSIF, fold by fold from the examples."""
    parts, errors = (dealt(source, 4), dealt(target, 4)), []
    for fold in range(4):
        learn = [kernel(x[p != fold], target, gamma) for x, p in zip((source, target), parts, strict=True)]
        left = [kernel(x[p == fold], target, gamma) for x, p in zip((source, target), parts, strict=True)]
        system = learn[0].T @ learn[0] / len(learn[0]) + penalty * np.eye(len(target))
        theta = np.maximum(np.linalg.solve(system, learn[1].mean(0)), 0)
        errors.append(0.5 * np.square(left[0] @ theta).mean() - (left[1] @ theta).mean())
    return float(np.mean(errors))


@pytest.mark.parametrize(("bound", "slack"), [(1000.0, None), (1.5, None), (1000.0, 0.05), (1.2, 0.0)])
def test_kernel_mean_matching_solves_its_program(bound, slack):
    source, target = golden()
    program, count = kernel(source, source, 2.0), len(source)
    means = kernel(source, target, 2.0).sum(1) * count / len(target)
    off = count * (1 - count**-0.5 if slack is None else slack)
    limits = [{"type": "ineq", "fun": lambda w, s=s: off - s * (w.sum() - count)} for s in (-1, 1)]
    slow = minimize(
        lambda w: 0.5 * w @ program @ w - means @ w, np.ones(count), jac=lambda w: program @ w - means,
        bounds=[(0, bound)] * count, constraints=limits, method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
    )  # fmt: skip
    found = Kmm(gamma=2.0, bound=bound, slack=slack).estimate(source, target, None)
    assert 0 <= found.min() <= found.max() <= bound
    assert abs(found.sum() - count) <= off + 1e-6
    assert 0.5 * found @ program @ found - means @ found == pytest.approx(slow.fun, abs=1e-5 * abs(slow.fun))
    assert found == pytest.approx(slow.x, abs=1e-2)


@pytest.mark.parametrize("far", [0.0, 1e3])
def test_kernel_mean_matching_in_single_precision_is_that_in_double(far, monkeypatch):
    """700 examples are above what is solved in double precision; how far both lie from zero is of no account."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(700, 4)) + far, rng.normal(0.5, size=(300, 4)) + far
    found = Kmm().estimate(source, target, None)
    monkeypatch.setattr("regraft.weightings.kmm._FEW", 1000)
    monkeypatch.setattr("regraft.weightings.kmm._SINGLE", 0.0)
    double = Kmm().estimate(source, target, None)
    assert (found != double).any()  # so single precision was there
    assert found == pytest.approx(double, abs=1e-3 * double.max())


def test_parts_of_a_large_source_are_each_matched_as_a_whole_one_would_be():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(90, 2)), rng.normal(0.5, size=(60, 2))
    found, parts = Kmm(gamma=0.5, part=30).estimate(source, target, None), dealt(source, 3)
    for part in range(3):
        alone = Kmm(gamma=0.5).estimate(source[parts == part], target, None)
        assert found[parts == part] == pytest.approx(alone, abs=1e-9)
    even, there = kernel(source, source, 0.5), kernel(source, target, 0.5).mean(1)
    apart = [w @ even @ w / 90**2 - 2 * w @ there / 90 for w in (np.ones(90), found)]
    assert apart[1] < apart[0]  # the weighted mean lies nearer to the target's


def test_label_shift_of_classes_that_lie_apart_is_the_ratio_of_their_shares():
    rng = np.random.default_rng(0)
    labels, there = np.repeat([3, 5], [80, 20]), np.repeat([3, 5], [30, 70])
    x, y = (8.0 * (of == 5)[:, None] + rng.normal(size=(len(of), 2)) for of in (labels, there))
    assert Bbse()(x, y, labels) == pytest.approx(np.where(labels == 5, 70 / 20, 30 / 80))


def test_label_shift_through_a_poor_classifier_is_undone():
    rng = np.random.default_rng(0)
    labels, there = rng.permutation(np.repeat([0, 1], [1400, 600])), np.repeat([0, 1], [600, 1400])
    x, y = (rng.normal(size=(2000, 2)) + np.eye(2)[of] for of in (labels, there))
    told, wanted = confusion(x, y, labels), np.array([3 / 7, 7 / 3])[labels]
    naive = told.target / told.joint.sum(1)  # as if what is predicted were what is there
    assert (np.abs(naive[labels] / wanted - 1) > 0.2).all()
    for weighting in (Bbse(), Rlls()):
        assert weighting(x, y, labels) == pytest.approx(wanted, rel=0.1)


def test_regularised_label_shift_solves_its_program_and_without_a_penalty_is_plain():
    rng = np.random.default_rng(1)
    labels, there = rng.integers(0, 3, 90), np.repeat([0, 1, 2], [10, 20, 60])
    x, y = (rng.normal(size=(90, 3)) + 1.5 * np.eye(3)[of] for of in (labels, there))
    told = confusion(x, y, labels)
    b = told.target - told.joint.sum(1)

    def value(theta: np.ndarray) -> float:
        return float(np.linalg.norm(told.joint @ theta - b) + 0.1 * np.linalg.norm(theta))

    slow = minimize(value, np.full(3, 0.1), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert value(change(told, 0.1)) == pytest.approx(slow.fun, abs=1e-8)
    assert change(told, 10.0) == pytest.approx(np.zeros(3))
    assert 1 + change(told, 0.0) == pytest.approx(np.linalg.solve(told.joint, told.target), abs=1e-4)


def test_a_domain_classifier_finds_the_line_that_tells_two_normal_domains_apart():
    """Of equal spread: the log of the ratio is linear, with the difference of the means as its slope."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3000, 2)), rng.normal([1.0, 0.0], 1.0, (1500, 2))
    weights = DomainClassifier()(x, y)
    slope = np.linalg.lstsq(np.c_[x, np.ones(len(x))], np.log(weights), rcond=None)[0]
    assert slope[:2] == pytest.approx([1, 0], abs=0.15)
    assert weights @ x / len(x) == pytest.approx(y.mean(0), abs=0.15)


def test_a_domain_classifier_with_more_features_than_examples_is_not_sure_of_itself():
    """It would separate what it has learned from perfectly, though the domains are the same."""
    rng = np.random.default_rng(0)
    weights = DomainClassifier()(rng.normal(size=(60, 200)), rng.normal(size=(60, 200)))
    assert weights.max() < 3


def test_kernel_density_against_a_loop():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 1)), rng.normal(1.0, 1.0, (25, 1))
    both = np.concatenate([x, y])
    a, b = ((of - both.mean()) / both.std(ddof=1) for of in (x, y))

    def density(at: float, of: np.ndarray, width: float) -> float:
        return float(np.mean([np.exp(-((at - z) ** 2) / (2 * width**2)) for z in of[:, 0]]))

    width = 25 ** (-1 / 5)  # Scott's rule for one component
    slow = np.array([density(at, b, width) / density(at, a, width) for at in a[:, 0]])
    assert KernelDensity()(x, y) == pytest.approx(slow / slow.mean(), rel=1e-6)


def test_an_example_that_has_no_kernel_counts_in_its_domain_all_the_same():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 1)), rng.normal(1.0, 1.0, (25, 1))
    both = np.concatenate([x, y])
    a, b = (((of - both.mean()) / both.std(ddof=1))[:, 0] for of in (x, y))
    mine, theirs = order(x)[:10], order(y)[:10]

    def kernels(at: float, of: np.ndarray) -> float:
        return float(np.exp(-((at - of) ** 2) / (2 * 10 ** (-2 / 5))).sum())

    there = np.array([kernels(at, b[theirs]) for at in a])
    here = np.array([kernels(a[i], a[[*mine] if i in mine else [*mine, i]]) for i in range(30)])
    assert KernelDensity(centres=10)(x, y) == pytest.approx(there / here / (there / here).mean(), rel=1e-6)


def test_nearest_neighbours_against_a_loop():
    rng = np.random.default_rng(0)
    for width in (2, 40):  # a tree, and blocks of a matrix
        x, y = rng.normal(size=(20, width)), rng.normal(size=(50, width))
        counts = np.ones(20)
        for row in y:
            counts[np.argmin([np.square(row - other).sum() for other in x])] += 1
        assert NearestNeighbour()(x, y) == pytest.approx(counts / counts.mean())


def test_a_draw_has_each_example_as_often_as_its_weight_says_rounded():
    source, target = golden()
    weights, drawn = Rulsif()(source, target), Resampled()(source, target)
    assert drawn.sum() == len(source)
    assert (drawn == np.round(drawn)).all()
    assert (np.abs(drawn - weights) < 1).all()
