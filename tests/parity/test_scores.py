"""Scores against golden numbers, closed forms and slow references.

Golden numbers: shared/reference/methods.md, section 4.8, a transcription of the papers' formulas in float64; those on
Iris are the published values in the tests of transformer-ranker (estimators logme, hscore, nearestneighbors).
"""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from scipy.stats import multivariate_normal, spearmanr
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from regraft.core import catalog
from regraft.scores._base import Evidence, one_hot, spectrum
from regraft.scores.gbc import Gbc
from regraft.scores.h_score import HScore, _shrinkage
from regraft.scores.knn import Knn
from regraft.scores.leep import Leep
from regraft.scores.linear_probe import LinearProbe, _fit, _folds, _in_span, _standardised
from regraft.scores.logme import Logme, _log_evidence
from regraft.scores.nce import Nce
from regraft.scores.parc import Parc
from regraft.scores.prior import Prior
from regraft.scores.transrate import Transrate

SHAPES = [(20, 50), (30, 30), (60, 6)]


def golden() -> Evidence:
    i, j, z = np.arange(60)[:, None], np.arange(6), np.arange(4)
    features = np.sin(0.7 * (i + 1) * (j + 1) + 0.3 * j) + 0.8 * (j == i % 3)
    odds = np.exp(np.cos(0.5 * (i + 1) * (z + 1)) + 0.9 * (z == i % 3))
    return Evidence(features, np.arange(60) % 3, odds / odds.sum(1, keepdims=True))


def iris() -> Evidence:
    data = load_iris()
    return Evidence(data.data, data.target)


def random(shape: tuple[int, int], seed: int = 0, classes: int = 3) -> Evidence:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(shape[0]) % classes)
    features = generator.standard_normal(shape) + 0.5
    features[:, :classes] += 2 * np.eye(classes)[labels]
    probabilities = generator.dirichlet(np.ones(4), shape[0])
    return Evidence(features, labels, probabilities)


@pytest.mark.parametrize(
    ("score", "value"),
    [
        (Logme(), -0.501885),
        (HScore(shrink=False), 1.594020),
        (HScore(), 1.332396),
        (Leep(), -0.993206),
        (Nce(), -0.992126),
        (Transrate(), 5.042525),
        (Knn(neighbours=3, metric="euclidean"), 1.0),
    ],
)
def test_golden(score, value):
    assert score(golden()) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("score", "value"),
    [
        (Logme(), -0.16006022),
        (HScore(), 1.17784248),
        (Knn(neighbours=1, metric="euclidean"), 0.96),
        (Knn(neighbours=5, metric="euclidean"), 0.96667),
    ],
)
def test_published_values_on_iris(score, value):
    assert score(iris()) == pytest.approx(value, abs=5e-6)


def test_logme_golden_for_regression_targets():
    evidence = golden()
    value = _log_evidence(evidence.features, evidence.labels[:, None].astype(float))
    assert value == pytest.approx(-1.523492, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_logme_is_the_largest_marginal_likelihood(shape):
    """The slow reference: maximise the density of N(0, I / beta + F F' / alpha) over both precisions."""
    evidence = random(shape)
    f, targets = evidence.features, one_hot(evidence.labels)
    for column in targets.T:

        def negative(logs, y=column):
            covariance = np.exp(-logs[1]) * np.eye(len(f)) + np.exp(-logs[0]) * f @ f.T
            return -multivariate_normal.logpdf(y, cov=covariance, allow_singular=True) / len(f)

        starts = [(a, b) for a in (-2.0, 2.0, 6.0) for b in (0.0, 4.0)]
        slow = -min(minimize(negative, start, method="Nelder-Mead").fun for start in starts)
        assert _log_evidence(f, column[:, None])[0] == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize("shape", [(20, 50), (30, 30), (60, 6), (50, 1024)])
def test_logme_agrees_with_the_papers_fixed_point_with_a_zero_padded_spectrum(shape):
    """The other algebraic form (methods.md 4.1), its determinant over all D dimensions, at convergence."""
    evidence = random(shape)
    f, (n, dim) = evidence.features, shape
    sigma = np.zeros(dim)
    vectors, singular, _ = np.linalg.svd(f, full_matrices=False)
    sigma[: len(singular)] = singular**2
    values = []
    for y in one_hot(evidence.labels).T:
        alpha = beta = 1.0
        for _ in range(3000):
            gamma = (sigma / (sigma + alpha / beta)).sum()
            m = beta * singular * (vectors.T @ y) / (alpha + beta * singular**2)
            fitted = vectors @ (singular * m)
            alpha, beta = gamma / (m @ m), (n - gamma) / np.square(fitted - y).sum()
        determinant = 0.5 * np.log(alpha + beta * sigma).sum()
        fit = beta / 2 * np.square(fitted - y).sum() + alpha / 2 * (m @ m)
        log = dim / 2 * np.log(alpha) + n / 2 * np.log(beta) - determinant - fit - n / 2 * np.log(2 * np.pi)
        values.append(log / n)
    ours = _log_evidence(f, one_hot(evidence.labels))
    assert (ours >= np.array(values) - 1e-9).all(), "the maximum is below another point of the same surface"
    assert ours == pytest.approx(np.array(values), abs=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_h_score_is_the_trace_of_two_explicit_matrices(shape):
    evidence = random(shape)
    x, y = evidence.features, evidence.labels
    means = np.stack([x[y == label].mean(0) for label in y])
    between = np.cov(means, rowvar=False)
    assert HScore(shrink=False)(evidence) == pytest.approx(np.trace(np.linalg.pinv(np.cov(x.T), 1e-10) @ between))
    alpha = ledoit_wolf_shrinkage(x)
    covariance = np.cov(x.T, ddof=0)
    shrunk = (1 - alpha) * covariance + alpha * np.trace(covariance) / shape[1] * np.eye(shape[1])
    assert HScore()(evidence) == pytest.approx((1 - alpha) * np.trace(np.linalg.solve(shrunk, between)))


@pytest.mark.parametrize("shape", SHAPES)
def test_shrinkage_is_scikit_learns(shape):
    x = random(shape).features
    x = x - x.mean(0)
    _, sigma = spectrum(x)
    assert _shrinkage(x, sigma / len(x)) == pytest.approx(ledoit_wolf_shrinkage(x))


def test_plain_h_score_of_noise_is_saturated_with_more_features_than_examples():
    noise = np.random.default_rng(0).standard_normal((30, 90))
    assert HScore(shrink=False)(Evidence(noise, np.arange(30) % 3)) == pytest.approx(2)


@pytest.mark.parametrize("neighbours", [1, 2, 3, 5])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_knn_against_refitting_without_each_example(metric, neighbours):
    evidence = random((45, 7), classes=2)  # continuous features: no ties of distance
    x, y = evidence.features, evidence.labels
    right = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        model = KNeighborsClassifier(neighbours, metric=metric, algorithm="brute").fit(x[rest], y[rest])
        share = model.predict_proba(x[i : i + 1])[0]
        right.append((share[y[i]] == share.max()) / (share == share.max()).sum())
    assert Knn(neighbours=neighbours, metric=metric)(evidence) == pytest.approx(np.mean(right))


def test_knn_of_identical_features_is_chance():
    """Each of 2 x 5 equal examples sees 4 of its class and 5 of the other: expectation of a vote gives 0."""
    labels = np.repeat([0, 1], 5)
    assert Knn()(Evidence(np.ones((10, 3)), labels)) == 0
    # Three neighbours at one distance, one of each class, and k = 2: each class has 2/3 of a vote, the lot decides.
    corners = np.array([[0, 0], [1, 0], [-1, 0], [0, 1]], dtype=float)
    votes = Knn(neighbours=2, metric="euclidean")(Evidence(corners, np.array([0, 0, 1, 2])))
    assert 0 < votes < 1


@pytest.mark.parametrize("shape", [(40, 90), (40, 32), (120, 8)])
def test_linear_probe_against_scikit_learn_on_its_own_folds(shape):
    evidence = random(shape)
    x, y = evidence.features, evidence.labels
    fold, logs, hits = _folds(x, y, 5, 0), [], []
    for part in range(5):
        train, test = fold != part, fold == part
        scaled, other = _standardised(x[train], x[test])
        model = LogisticRegression(C=1 / 0.3, tol=1e-10, max_iter=5000).fit(scaled, y[train])
        logs.append(model.predict_log_proba(other)[np.arange(test.sum()), y[test]])
        hits.append(model.predict(other) == y[test])
    assert LinearProbe(penalty=0.3)(evidence) == pytest.approx(np.concatenate(logs).mean(), abs=1e-4)
    assert LinearProbe(penalty=0.3, metric="accuracy")(evidence) == pytest.approx(np.concatenate(hits).mean())


def test_linear_probe_in_the_span_predicts_as_in_the_full_space():
    evidence = random((40, 90))
    train, other = _standardised(evidence.features[:30], evidence.features[30:])
    targets = one_hot(evidence.labels)[:30]
    short, short_other = _in_span(train, other)
    assert short.shape[1] == 29
    reduced = _fit(short, targets, 0.1)
    full = LogisticRegression(C=10, tol=1e-10, max_iter=5000).fit(train, targets.argmax(1))
    ours = log_softmax(short_other @ reduced[1:] + reduced[0], axis=1)
    np.testing.assert_allclose(ours, full.predict_log_proba(other), atol=1e-3)


def test_leep_against_a_loop_and_with_an_unused_source_class():
    evidence = random((25, 3))
    theta, y = evidence.source_probabilities, evidence.labels
    total = 0.0
    for i in range(25):
        likelihood = 0.0
        for z in range(4):
            likelihood += theta[i, z] * theta[y == y[i], z].sum() / theta[:, z].sum()
        total += np.log(likelihood)
    assert Leep()(evidence) == pytest.approx(total / 25)
    padded = Evidence(evidence.features, y, np.hstack([theta, np.zeros((25, 1))]))
    assert Leep()(padded) == Leep()(evidence)


@pytest.mark.parametrize("score", [Leep(), Nce()])
def test_source_probabilities_that_copy_the_labels_or_know_nothing(score):
    y = np.arange(12) % 3
    assert score(Evidence(np.zeros((12, 1)), y, np.eye(3)[y])) == pytest.approx(0)
    assert score(Evidence(np.zeros((12, 1)), y, np.full((12, 4), 0.25))) == pytest.approx(-np.log(3))


@pytest.mark.parametrize("shape", SHAPES)
def test_transrate_against_explicit_determinants(shape):
    evidence = random(shape)
    x, y = evidence.features - evidence.features.mean(0), evidence.labels

    def rate(z):
        return 0.5 * np.log(np.linalg.eigvalsh(np.eye(shape[1]) + z.T @ z / (len(z) * 1e-4))).sum()

    slow = rate(x) - sum((y == c).mean() * rate(x[y == c]) for c in range(3))
    assert Transrate()(evidence) == pytest.approx(slow)


def test_transrate_is_blind_to_two_balanced_classes():
    """The known weakness behind ``noise_safe = False``: mirrored classes have the rate of the whole."""
    one = np.random.default_rng(0).standard_normal((50, 4)) + 3
    evidence = Evidence(np.vstack([one, -one]), np.repeat([0, 1], 50))
    assert Transrate()(evidence) == pytest.approx(0, abs=1e-9)
    assert not catalog.find("scores", "transrate").noise_safe


def test_logme_of_one_feature_in_closed_form():
    """F = c 1: the part of y along 1 has its variance multiplied by 1 + N c^2 / tau, the rest has not."""
    n, c = 16, 2.0
    y = np.ones((n, 1))
    y[0] = 0.5

    parallel, total = float(y.sum() ** 2 / n), float((y**2).sum())

    def negative(log_tau):
        spread = 1 + n * c**2 / np.exp(log_tau)
        variance = (total - parallel + parallel / spread) / n
        return 0.5 * (np.log(2 * np.pi * np.e * variance) + np.log(spread) / n)

    best = -minimize_scalar(negative, bounds=(-20, 20), method="bounded").fun
    assert _log_evidence(np.full((n, 1), c), y)[0] == pytest.approx(best, abs=1e-7)


def test_parc_against_scipy_where_equal_labels_tie():
    """The golden number (times 100, no components) has label distances whose ties rounding has broken: 50.7953.

    With ties as ties it is 55.1377.
    """
    x, labels = golden().features, one_hot(golden().labels)
    pairs = np.triu_indices(60, 1)
    ours, theirs = (1 - np.corrcoef(rows)[pairs] for rows in ((x - x.mean(0)) / x.std(0), labels))
    assert 100 * spearmanr(ours, theirs)[0] == pytest.approx(50.7953, abs=1e-3)
    expected = spearmanr(ours, theirs.round(9))[0]
    assert expected == pytest.approx(0.551377, abs=1e-6)
    assert Parc(components=None)(golden()) == pytest.approx(expected)
    assert Parc(components=6)(golden()) == pytest.approx(expected)


def test_gbc_against_integrals():
    """The Bhattacharyya coefficient of two normal clouds is the integral of the root of their product."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 25])
    x = np.where(labels == 0, 1.0, 2.0) * generator.standard_normal(65) + 1.5 * labels
    clouds = [(x[labels == c].mean(), x[labels == c].std(ddof=1)) for c in (0, 1)]
    along = np.linspace(-40, 40, 400_001)
    density = [multivariate_normal(mean, std**2).pdf(along) for mean, std in clouds]
    overlap = np.sqrt(density[0] * density[1]).sum() * (along[1] - along[0])
    assert Gbc()(Evidence(x[:, None], labels)) == pytest.approx(-2 * overlap, rel=1e-6)


def test_prior_is_the_logarithm_of_the_size():
    assert Prior()(Evidence(np.zeros((2, 1)), np.arange(2), None, 1000)) == pytest.approx(np.log(1000))
