"""Scores against golden numbers, closed forms and slow references.

Golden numbers: shared/reference/methods.md, section 4.8, a transcription of the papers' formulas in float64; those on
Iris are the published values in the tests of transformer-ranker (estimators logme, hscore, nearestneighbors).
"""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import multivariate_normal, spearmanr
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier

from regraft.scores._base import Evidence, one_hot, shrinkage, spectrum
from regraft.scores._probe import along, dealt, fit, in_span, standardised
from regraft.scores.gbc import Gbc
from regraft.scores.h_score import HScore
from regraft.scores.knn import Knn
from regraft.scores.leep import Leep
from regraft.scores.linear_probe import LinearProbe
from regraft.scores.logme import Logme, _log_evidence
from regraft.scores.n_leep import NLeep
from regraft.scores.nce import Nce
from regraft.scores.otdd import Otdd
from regraft.scores.parc import Parc
from regraft.scores.prior import Prior
from regraft.scores.sfda import Sfda
from regraft.scores.task2vec import Task2vec
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
        (Transrate(corrected=False), 5.042525),
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
    assert shrinkage(x, sigma / len(x)) == pytest.approx(ledoit_wolf_shrinkage(x))


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
def test_linear_probe_against_scikit_learn_on_its_owndealt(shape):
    evidence = random(shape)
    x, y = evidence.features, evidence.labels
    fold, logs, hits = dealt(x, y, 5, 0), [], []
    for part in range(5):
        train, test = fold != part, fold == part
        scaled, other = standardised(x[train], x[test])
        model = LogisticRegression(C=1 / 0.3, tol=1e-10, max_iter=5000).fit(scaled, y[train])
        logs.append(model.predict_log_proba(other)[np.arange(test.sum()), y[test]])
        hits.append(model.predict(other) == y[test])
    assert LinearProbe(penalty=0.3)(evidence) == pytest.approx(np.concatenate(logs).mean(), abs=1e-4)
    assert LinearProbe(penalty=0.3, metric="accuracy")(evidence) == pytest.approx(np.concatenate(hits).mean())


def test_linear_probe_in_the_span_predicts_as_in_the_full_space():
    evidence = random((40, 90))
    train, other = standardised(evidence.features[:30], evidence.features[30:])
    targets = one_hot(evidence.labels)[:30]
    short, short_other = in_span(train, other)
    assert short.shape[1] == 29
    reduced = fit(short, targets, 0.1)
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
    assert Transrate(corrected=False)(evidence) == pytest.approx(slow)


def test_transrate_as_published_is_blind_to_two_balanced_classes_and_corrected_it_is_not():
    """Mirrored classes have the rate of the whole about the mean of all."""
    one = np.random.default_rng(0).standard_normal((50, 4)) + 3
    evidence = Evidence(np.vstack([one, -one]), np.repeat([0, 1], 50))
    assert Transrate(corrected=False)(evidence) == pytest.approx(0, abs=1e-9)
    assert Transrate()(evidence) > 1


def test_transrate_corrected_takes_off_what_shuffled_labels_save():
    """The slow reference: determinants of covariances about each class's mean, labels shuffled in the same draws."""
    evidence = random((60, 6))
    order = np.argsort(along(evidence.features - evidence.features.mean(0), 0))
    x, y = evidence.features[order], evidence.labels[order]
    rng = np.random.default_rng(0)

    def within(labels):
        rates = [np.linalg.slogdet(np.eye(6) + np.cov(x[labels == c].T, bias=True) / 1e-4)[1] / 2 for c in range(3)]
        return np.bincount(labels) / 60 @ rates

    shuffled = np.mean([within(rng.permutation(y)) for _ in range(10)])
    assert Transrate()(evidence) == pytest.approx(shuffled - within(y))


def hard_mixtures(x, y, priors):
    """Discriminants with explicit inverses in the feature space, by the formulas of the paper."""
    classes = range(priors.size)

    def posterior(rows, labels, amount, given):
        means = np.stack([rows[labels == c].mean(0) for c in classes])
        scatter = sum(priors[c] * np.cov(rows[labels == c].T, bias=True) for c in classes)
        amount = np.exp(-5 * np.linalg.eigvalsh(scatter)[-1]) if amount is None else amount
        shrunk = (1 - amount) * scatter + amount * np.trace(scatter) / x.shape[1] * np.eye(x.shape[1])
        inverse = np.linalg.inv(shrunk)
        logits = [given @ inverse @ m - m @ inverse @ m / 2 + np.log(p) for m, p in zip(means, priors, strict=True)]
        return softmax(np.stack(logits, 1), axis=1), means, amount

    first, means, amount = posterior(x, y, None, x)
    own = softmax(first, axis=1)[np.arange(len(x)), y]
    others = np.stack([means[[d for d in classes if d != c]].mean(0) for c in classes])
    mixed = own[:, None] * x + (1 - own[:, None]) * others[y]
    return posterior(mixed, y, amount, mixed)[0][np.arange(len(x)), y].mean()


@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_sfda_as_published_against_explicit_inverses(scale):
    evidence = random((60, 6))
    x, y = scale * evidence.features, evidence.labels
    expected = hard_mixtures(x, y, np.bincount(y) / len(y))
    assert 0.4 < expected < 0.999
    assert Sfda(folds=0, shrink=False)(Evidence(x, y)) == pytest.approx(expected, rel=1e-6)


def test_sfda_as_published_takes_noise_for_perfect_and_across_folds_it_does_not():
    noise = Evidence(np.random.default_rng(0).standard_normal((40, 200)), np.arange(40) % 2)
    assert Sfda(folds=0, shrink=False)(noise) > 0.95
    assert Sfda()(noise) < 0.6


def test_n_leep_as_published_against_scikit_learn():
    """LEEP on the posteriors of a full mixture in the components that keep 80% of the variance."""
    evidence = random((90, 6))
    order = np.argsort(along(evidence.features, 0))
    x, y = evidence.features[order], evidence.labels[order]
    z = PCA(0.8).fit_transform(x)
    unit = np.sqrt(PCA().fit(x).singular_values_ ** 2 @ np.ones(6) / 6 / 90)
    theta = GaussianMixture(15, random_state=0).fit(z / unit).predict_proba(z / unit)
    expected = Leep()(Evidence(x, y, theta))
    assert NLeep(covariance="full", leave_out=False)(evidence) == pytest.approx(expected, abs=1e-6)


def test_n_leep_leaves_each_example_out_of_the_counts_that_judge_it():
    evidence = random((50, 4))
    order = np.argsort(along(evidence.features, 0))
    x, y, score = evidence.features[order], evidence.labels[order], NLeep()
    theta, total = score._clusters(x, 3), 0.0
    for i in range(50):
        rest = np.arange(50) != i
        share = (1 + (y[rest] == y[i]).sum()) / (49 + 3)
        given = (share + theta[rest][y[rest] == y[i]].sum(0)) / (1 + theta[rest].sum(0))
        total += np.log(theta[i] @ given)
    assert score(evidence) == pytest.approx(total / 50)


def test_otdd_against_pot():
    """POT's plan for costs with POT's own distances of normal distributions, unequal sizes and numbers of classes."""
    ot = pytest.importorskip("ot", reason="POT, the extra 'ot', is not installed")
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((30, 4)), rng.standard_normal((15, 4)) + 0.5
    ours, theirs = np.arange(30) % 3, np.arange(15) % 2
    cost = ot.dist(x, z)
    for i, j in np.ndindex(cost.shape):
        a, b = x[ours == ours[i]], z[theirs == theirs[j]]
        moments = a.mean(0), b.mean(0), np.cov(a.T, bias=True), np.cov(b.T, bias=True)
        cost[i, j] += ot.gaussian.bures_wasserstein_distance(*moments) ** 2
    expected = ot.emd2(np.full(30, 1 / 30), np.full(15, 1 / 15), cost)
    evidence = Evidence(z, theirs, source_features=x, source_labels=ours)
    assert Otdd(relative=False)(evidence) == pytest.approx(-expected, rel=1e-6)
    assert Otdd()(evidence) == pytest.approx(-expected / 2 / z.var(0).sum(), rel=1e-6)


def test_otdd_of_equal_data_is_nothing_and_grows_with_the_shift_in_closed_form():
    """A shift of everything costs its square twice: once for the examples, once for the classes."""
    one = random((30, 5))
    for shift in (0.0, 0.1, 0.5):
        moved = Evidence(one.features, one.labels, source_features=one.features + shift, source_labels=one.labels)
        assert Otdd(relative=False)(moved) == pytest.approx(-2 * 5 * shift**2, abs=1e-9)


def test_task2vec_against_sampled_gradients():
    """The Fisher information is the mean square of the score in labels that the probe itself draws."""
    evidence = random((60, 4))
    found = Task2vec()._embedding(evidence.features, evidence.labels)
    x = standardised(evidence.features, evidence.features)[0]
    probe = LogisticRegression(C=100, tol=1e-10, max_iter=5000).fit(x, evidence.labels)
    probability, total = probe.predict_proba(x), np.zeros(4)
    for c in range(3):  # all labels, each as often as it is drawn
        gradient = x * (probe.coef_[c] - probability @ probe.coef_)
        total += (probability[:, c, None] * gradient**2).mean(0)
    np.testing.assert_allclose(found, total, rtol=1e-3)


def test_task2vec_tells_tasks_that_share_features_from_others():
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((200, 10)), rng.standard_normal((200, 10))
    y = (x[:, :3].sum(1) > 0).astype(int)
    near, far = ((z[:, part].sum(1) > 0).astype(int) for part in (slice(0, 3), slice(5, 8)))
    scores = [Task2vec()(Evidence(x, y, source_features=z, source_labels=own)) for own in (near, far)]
    assert scores[0] > scores[1] + 0.3
    assert Task2vec()(Evidence(x, y, source_features=x, source_labels=y)) == pytest.approx(0, abs=1e-9)


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
    assert 100 * spearmanr(ours, theirs)[0] == pytest.approx(50.7953, abs=0.5)  # by processor other ties are broken
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
