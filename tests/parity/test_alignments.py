"""Alignments against independent values; the golden ones are of a transcription of the papers' formulas in NumPy."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import eig, sqrtm
from sklearn.covariance import LedoitWolf

from regraft.alignments import _components
from regraft.alignments._components import contrasts, leading, means
from regraft.alignments._graph import roughness
from regraft.alignments._moments import covariance, principal
from regraft.alignments._several import combine
from regraft.alignments.coral import Coral
from regraft.alignments.gfk import Gfk, flow
from regraft.alignments.jda import Jda
from regraft.alignments.linear_monge import LinearMonge
from regraft.alignments.meda import Meda
from regraft.alignments.optimal_transport import OptimalTransport
from regraft.alignments.semisupervised_tca import SemisupervisedTca
from regraft.alignments.subspace import Subspace
from regraft.alignments.tca import Tca
from regraft.alignments.tjm import Tjm
from regraft.core.errors import CandidateError
from regraft.divergences.proxy_a import ProxyA
from regraft.edits.align_features import AlignFeatures
from regraft.heads._kernels import bandwidth, gaussian
from regraft.heads._layers import plan, rebuilt
from regraft.heads.knn import Knn

RAW = {"centre": False, "unit": False, "relative": False}  # as in the first papers


def golden() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two domains made of sines: source features, their classes, target features."""
    i, j = np.arange(60)[:, None], np.arange(6)[None]
    labels = np.arange(60) % 3
    x = np.sin(0.7 * (i + 1) * (j + 1) + 0.3 * j) + 0.8 * (j == labels[:, None])
    return x[:40], labels[:40], 1.2 * x[20:] + 0.3


def test_coral_gives_the_source_the_moments_of_the_target():
    source, labels, target = golden()
    aligned = Coral(shrinkage=1e-5).fit(source, labels, target)
    found = aligned.source(source)
    assert np.linalg.norm(np.cov(found.T) - np.cov(target.T)) == pytest.approx(1.5e-5, abs=1e-6)
    assert found.mean(0) == pytest.approx(target.mean(0))
    uncentred = found - aligned.source_layer.bias.numpy()
    assert uncentred.sum() == pytest.approx(41.008038, abs=1e-5)


def test_coral_without_a_shrinkage_does_not_depend_on_the_units_of_features():
    source, labels, target = golden()
    units = np.geomspace(1, 1000, source.shape[1])

    def moments(x: np.ndarray) -> np.ndarray:
        scale = x.std(0)
        return np.diag(scale) @ LedoitWolf().fit(x / scale).covariance_ @ np.diag(scale)

    found = Coral(shrinkage=None).fit(units * source, labels, units * target)
    expected = sqrtm(np.linalg.inv(moments(units * source))) @ sqrtm(moments(units * target))
    assert found.source_layer.weight.numpy() == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert (moments(units * source) / np.outer(units, units)) == pytest.approx(moments(source))


def test_coral_without_a_shrinkage_needs_features_that_vary():
    with pytest.raises(CandidateError, match="do not vary"):
        Coral(shrinkage=None).fit(np.ones((5, 2)), None, np.eye(2))


def kernel(x: np.ndarray, gamma: float) -> np.ndarray:
    return np.exp(-gamma * ((x[:, None] - x[None]) ** 2).sum(2))


def spanned(a: np.ndarray) -> np.ndarray:
    """Inner products of centred rows, which do not depend on signs or turns of the axes."""
    centred = a - a.mean(0)
    return centred @ centred.T


def test_tca_has_the_golden_eigenvalues():
    source, _, target = golden()
    x, e = np.concatenate([source, target]), means(40, 40)
    space = Tca(kernel="gaussian", gamma=1 / 6).space(x, 40)
    centred, difference = space.rows - space.rows.mean(0), e @ space.rows
    values, _ = leading(centred.T @ centred, difference.T @ difference + np.diag(space.cost), 3)
    assert values == pytest.approx([139.962342, 80.040712, 67.490189], abs=1e-5)


@pytest.mark.parametrize("of", ["primal", "linear", "gaussian"])
def test_tca_is_the_slow_generalised_problem(of):
    """Written out over all examples: K H K w = lambda (K L K + mu I) w, general eigenvectors, not symmetric ones."""
    source, _, target = golden()
    x, e = np.concatenate([source, target]), means(40, 40)
    k = {"primal": x.T, "linear": x @ x.T, "gaussian": kernel(x, 0.3)}[of]
    a, b = k @ (np.eye(80) - 1 / 80) @ k.T, k @ e.T @ e @ k.T + 0.7 * np.eye(len(k))
    values, vectors = eig(a, b)
    best = vectors[:, np.argsort(-values.real)[:3]].real
    best = best / np.sqrt(np.diag(best.T @ b @ best))
    aligned = Tca(kernel=of, gamma=0.3, components=3, penalty=0.7, **RAW).fit(source, None, target)
    found = np.concatenate([aligned.source(source), aligned.target(target)])
    assert spanned(found) == pytest.approx(spanned(k.T @ best), abs=1e-8)


def test_few_eigenvectors_of_many_are_those_of_all(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = (m @ m.T for m in rng.normal(size=(2, 60, 70)))
    exact = leading(a, b, 4)
    monkeypatch.setattr(_components, "_DENSE", 10)
    values, vectors = leading(a, b, 4)
    assert values == pytest.approx(exact[0])
    assert np.abs(vectors.T @ b @ exact[1]) == pytest.approx(np.eye(4), abs=1e-6)


def test_the_differences_of_jda_are_the_matrices_of_the_paper():
    labels, guess = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1, 3])
    m = np.zeros((9, 9))
    sides = [(range(4), range(4, 9))]  # all, then classes zero and one; two and three are in one domain only
    sides += [([i for i in range(4) if labels[i] == c], [4 + j for j in range(5) if guess[j] == c]) for c in (0, 1)]
    for ours, theirs in sides:
        for i in [*ours, *theirs]:
            for j in [*ours, *theirs]:
                sizes = [len(ours) if t in ours else len(theirs) for t in (i, j)]
                m[i, j] += (1 if (i in ours) == (j in ours) else -1) / np.prod(sizes)
    rows = contrasts(labels, guess)
    assert rows.T @ rows == pytest.approx(m)
    halves = contrasts(labels, guess, 0.5, 0.5)
    assert halves.T @ halves == pytest.approx(m / 2)


def test_jda_without_pseudo_labels_is_tca():
    source, labels, target = golden()
    one, two = Jda(rounds=1).fit(source, labels, target), Tca().fit(source, None, target)
    assert spanned(one.target(target)) == pytest.approx(spanned(two.target(target)))


@pytest.mark.parametrize(("swapped", "published"), [(False, 67.3), (True, 59.7)], ids=["to USPS", "to MNIST"])
def test_jda_as_its_authors_code_has_the_published_accuracy(real, swapped, published):
    """Digits of MNIST and USPS, as Wang et al. repeat it (ACM MM 2018, table 3); one of 1,800 digits is 0.06 points."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(real / "unclear-licence/digits_coil_da/MNIST_vs_USPS.mat") as file:
        pair = [(np.array(file[f"X{d}"], float), np.array(file[f"Y{d}"], int).ravel() - 1) for d in "st"]
    (x, y), (z, truth) = [(v if len(v) == len(w) else v.T, w) for v, w in (reversed(pair) if swapped else pair)]
    lengths = [np.linalg.norm(v, axis=1, keepdims=True) for v in (x, z)]
    aligned = Jda(components=100, penalty=0.1, centre=False, marginal=None).fit(x / lengths[0], y, z / lengths[1])
    nearest = Knn(neighbours=1).fit(aligned.source(x / lengths[0]), y, 10).double()
    found = nearest(torch.from_numpy(aligned.target(z / lengths[1]))).argmax(1).numpy()
    assert 100 * (found == truth).mean() == pytest.approx(published, abs=0.2)


def test_tjm_lowers_its_objective_round_after_round():
    """tr(W' K M K W) + penalty * (sum of source rows' lengths + squared target rows) for W' K H K W = 1, eq. 9."""
    source, _, target = golden()
    x, e = np.concatenate([source, target]), means(40, 40)
    k, found = kernel(x, 0.3), []
    for rounds in (1, 2, 4, 12):
        options = {"centre": False, "unit": False, "components": 3, "rounds": rounds}
        layer = Tjm(kernel="gaussian", gamma=0.3, **options).fit(source, None, target).target_layer
        w = layer[-1].weight.numpy()
        w = w @ np.linalg.inv(sqrtm(w.T @ k @ (np.eye(80) - 1 / 80) @ k @ w).real)
        apart = ((e @ k @ w) ** 2).sum() / np.linalg.norm(e.T @ e)
        found.append(apart + np.linalg.norm(w[:40], axis=1).sum() + (w[40:] ** 2).sum())
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.9 * found[0]


def test_semisupervised_tca_is_the_slow_problem_of_the_paper():
    source, labels, target = golden()
    x, e, known = np.concatenate([source, target]), means(40, 40), np.concatenate([labels, np.full(40, -1)])
    k, h = kernel(x, 0.3), np.eye(80) - 1 / 80
    alike = (known[:, None] == known[None]) & (known >= 0)[:, None]
    distances, near = ((x[:, None] - x[None]) ** 2).sum(2), np.zeros((80, 80), bool)
    for i in range(80):
        near[i, np.argsort(distances[i])[1:6]] = True
    weights = np.where(near | near.T, np.exp(-bandwidth(x) * distances), 0)
    laplacian = np.diag(weights.sum(1)) - weights
    assert roughness(x, k, 5) == pytest.approx(k @ laplacian @ k)
    a = k @ h @ (0.5 * alike + 0.5 * np.eye(80)) @ h @ k
    b = k @ (e.T @ e + 10 / 80**2 * laplacian) @ k + np.eye(80)
    values, vectors = eig(a, b)
    best = vectors[:, np.argsort(-values.real)[:3]].real
    best = best / np.sqrt(np.diag(best.T @ b @ best))
    options = {"components": 3, "locality": 10.0, "neighbours": 5, **RAW}
    aligned = SemisupervisedTca(kernel="gaussian", gamma=0.3, **options).fit(source, labels, target)
    found = np.concatenate([aligned.source(source), aligned.target(target)])
    assert spanned(found) == pytest.approx(spanned(k @ best), abs=1e-7)


def test_subspaces_have_the_golden_angles():
    source, _, target = golden()
    angles = np.linalg.svd(principal(source, 3).T @ principal(target, 3), compute_uv=False)
    assert angles == pytest.approx([0.999504, 0.999330, 0.980796], abs=1e-6)
    aligned = Subspace(components=3).fit(source, None, target)
    ours, theirs = principal(source, 3), principal(target, 3)
    assert aligned.source(source) == pytest.approx((source - source.mean(0)) @ ours @ ours.T @ theirs)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_geodesic_flow_kernel_is_the_integral(count):
    """By Gauss' rule over the flow, whose subspaces at its ends are the two that are given."""
    source, _, target = golden()
    ours, theirs = principal(source, count), principal(target[:, ::-1], count)
    turn, cosines, back = np.linalg.svd(ours.T @ theirs)
    angles = np.arccos(cosines)
    away = (theirs @ back.T - ours @ turn * cosines) / np.sin(angles)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    ways = [ours @ turn * np.cos(t * angles) + away * np.sin(t * angles) for t in (nodes + 1) / 2]
    integral = sum(w / 2 * way @ way.T for w, way in zip(weights, ways, strict=True))
    assert (ours @ turn * np.cos(angles) + away * np.sin(angles)) @ back == pytest.approx(theirs)
    found = flow(ours, theirs)
    assert found @ found.T == pytest.approx(integral)


@pytest.mark.parametrize("change", [lambda x: x[:, :1], np.ones_like, np.zeros_like])
def test_what_has_one_direction_or_none_is_still_projected(change):
    source, _, target = golden()
    aligned = Subspace().fit(change(source), None, change(target))
    assert aligned.source(change(source)).shape == (len(source), 1)
    assert np.isfinite(aligned.target(change(target))).all()


def test_the_kernel_between_equal_subspaces_is_the_projection():
    basis = principal(golden()[0], 3)
    found = flow(basis, basis)
    assert found @ found.T == pytest.approx(basis @ basis.T, abs=1e-7)


@pytest.mark.parametrize("centre", [True, False])
def test_inner_products_of_the_flow_are_of_centred_features_or_of_those_given(centre):
    source, _, target = golden()
    aligned = Gfk(components=2, centre=centre).fit(source, None, target)
    kernel = flow(principal(source, 2), principal(target, 2))
    x, z = (of - of.mean(0) * centre for of in (source, target))
    assert aligned.source(source) @ aligned.target(target).T == pytest.approx(x @ kernel @ kernel.T @ z.T)


@pytest.mark.parametrize("far", [0.0, 1.0, 1e7])
def test_a_covariance_is_numpys_however_far_the_mean_is(far):
    x = np.random.default_rng(0).normal(size=(300, 5)) * [1, 2, 3, 1e-3, 0] + far
    assert covariance(x, 0.5) == pytest.approx(np.cov(x.T) + 0.5 * np.eye(5), rel=1e-9, abs=1e-12)


def test_the_linear_monge_map_gives_the_moments_and_is_a_gradient():
    """The optimal map between normal distributions is the one symmetric positive map that does (Brenier)."""
    source, _, target = golden()
    layer = LinearMonge(shrinkage=1e-9).fit(source, None, target).source_layer
    found, weight = LinearMonge(shrinkage=1e-9).fit(source, None, target).source(source), layer.weight.numpy()
    assert np.cov(found.T) == pytest.approx(np.cov(target.T), abs=1e-6)
    assert found.mean(0) == pytest.approx(target.mean(0))
    assert weight == pytest.approx(weight.T)
    assert np.linalg.eigvalsh(weight).min() > 0


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 1e-3), (1e-3, 1), (1e6, 1e-6)])
def test_the_linear_monge_map_gives_the_moments_whatever_the_scales_of_the_domains(ours, theirs):
    """A share of the mean variance of both domains, as it was, buried the smaller one: ten times too wide at 1,000."""
    rng = np.random.default_rng(0)
    source, target = ours * rng.normal(size=(500, 8)), theirs * (2 * rng.normal(size=(500, 8)) + 1)
    found = LinearMonge().fit(source, None, target).source(source)
    assert np.cov(found.T) == pytest.approx(np.cov(target.T), abs=0.01 * target.var())


def test_plans_of_transport_are_those_of_pot():
    ot = pytest.importorskip("ot", reason="the extra ot is not installed")
    source, labels, target = golden()
    cost = ((source[:, None] - target[None]) ** 2).sum(2)
    cost = cost / np.median(cost)
    even = np.full(40, 1 / 40)
    for which, expected in (("plain", ot.emd(even, even, cost)), ("entropic", ot.sinkhorn(even, even, cost, 0.2))):
        aligned = OptimalTransport(plan=which, entropy=0.2).fit(source, labels, target)
        assert aligned.source(source) == pytest.approx(40 * expected @ target, abs=1e-4)
    assert aligned.source(source[:3] + 1e-9) == pytest.approx(aligned.source(source[:3]), abs=1e-6)


def test_the_group_penalty_keeps_classes_apart():
    pytest.importorskip("ot", reason="the extra ot is not installed")
    source, labels, target = golden()
    cost = ((source[:, None] - target[None]) ** 2).sum(2)
    mixed = []
    for groups in (0.0, 0.1, 1.0):
        plan = OptimalTransport(groups=groups)._plan(labels, cost / np.median(cost))
        share = np.eye(3)[labels].T @ plan * 40
        mixed.append(np.sqrt(share).sum())  # the penalty itself: least when one class serves each target example
    assert mixed == sorted(mixed, reverse=True)


@pytest.mark.parametrize("centre", [True, False])
def test_meda_is_the_slow_solution_of_the_paper(centre):
    """beta = ((A + lambda M + rho L) K + eta I)^-1 A Y, eq. 15, for the pseudo-labels of one round."""
    source, labels, target = golden()
    aligned = Meda(components=3, centre=centre, rounds=1, gamma=0.5, neighbours=5).fit(source, labels, target)
    before = [aligned.source_layer[:2], aligned.target_layer[:2]]
    x = np.concatenate([_components.through(layer, rows) for layer, rows in zip(before, (source, target), strict=True)])
    flat = [_components.through(layer[:1], rows) for layer, rows in zip(before, (source, target), strict=True)]
    guess = _components.through(Knn(neighbours=1).fit(x[:40], labels, 3), x[40:]).argmax(1)
    among = [ProxyA()(flat[0][labels == c], flat[1][guess == c]).item() for c in range(3)]
    mu = np.mean(among) / (np.mean(among) + ProxyA()(*flat).item())
    rows = contrasts(labels, guess, 1 - mu, mu)
    m = rows.T @ rows
    cosines = x @ x.T
    near = np.zeros((80, 80), bool)
    for i in range(80):
        near[i, np.argsort(-cosines[i])[:6]] = True
    weights = np.where(near | near.T, cosines, 0)
    degrees = weights.sum(1)
    laplacian = np.eye(80) - weights / np.sqrt(degrees[:, None] * degrees)
    known, one_hot = np.diag(np.repeat([1.0, 0.0], 40)), np.zeros((80, 3))
    one_hot[np.arange(40), labels] = 1
    k = kernel(x, 0.5)
    system = (known + 10 * m / np.linalg.norm(m) + laplacian) @ k + 0.1 * np.eye(80)
    expected = k @ np.linalg.solve(system, known @ one_hot)
    assert aligned.target(target) == pytest.approx(expected[40:], abs=1e-6)


@pytest.mark.parametrize(("landmarks", "neighbours", "near"), [(100, None, 1), (100, 4, 4), (20, None, 3), (20, 1, 1)])
def test_an_example_moves_as_the_nearest_ones_of_the_plan_do(landmarks, neighbours, near):
    pytest.importorskip("ot", reason="the extra ot is not installed")
    source, labels, target = golden()
    found = OptimalTransport(landmarks=landmarks, neighbours=neighbours).fit(source, labels, target)
    points, shifts = (found.source_layer.get_buffer(name).numpy() for name in ("points", "values"))
    new = source + 0.1
    nearest = ((new[:, None] - points) ** 2).sum(2).argsort(1)[:, :near]
    assert len(points) == min(landmarks, len(source))
    assert found.source(new) == pytest.approx(new + shifts[nearest].mean(1))


@pytest.mark.parametrize("alignment", [Tca(kernel="gaussian", landmarks=60), Jda(kernel="gaussian", landmarks=60)])
def test_with_few_landmarks_components_are_near_the_exact_ones(alignment):
    source, labels, target = golden()
    exact = type(alignment)(kernel="gaussian").fit(source, labels, target).target(target)
    near = alignment.fit(source, labels, target).target(target)
    one, two = spanned(exact), spanned(near)
    assert (one * two).sum() / np.linalg.norm(one) / np.linalg.norm(two) > 0.95


def test_several_sources_are_weighed_by_what_they_say_of_the_target():
    """One source is the target's like, the other has its classes mixed up: it should hardly count."""
    source, labels, target = golden()
    wrong = (source, (labels + 1) % 3)
    truth = np.arange(20, 60) % 3
    known = np.where(np.arange(40) < 9, truth, -1)
    both = combine(Subspace(components=5), [(source, labels), wrong], (target, known))
    assert both.weights.sum() == pytest.approx(1)
    assert both.weights[0] > 0.9
    assert (both.probabilities(target).argmax(1) == truth)[9:].mean() > 0.9
    blind = combine(Subspace(components=5), [(source, labels), wrong], (target, None))
    assert blind.weights.sum() == pytest.approx(1)
    assert blind.probabilities(target).sum(1) == pytest.approx(np.ones(40))
    assert gaussian(target, target, bandwidth(target)).shape == (40, 40)


def test_weights_are_learned_from_labels_that_the_heads_have_not_seen():
    """One nearest neighbour knows every label that it has seen, so that in sample a source of noise looks as good."""
    source, labels, target = golden()
    truth, wrong = np.arange(20, 60) % 3, (source, np.random.default_rng(0).integers(0, 3, len(labels)))
    known = np.where(np.arange(40) < 12, truth, -1)
    both = combine(Subspace(components=5), [(source, labels), wrong], (target, known), Knn(neighbours=1))
    assert both.weights[0] > 0.8


def several(toy, wrong: bool = True):
    """The toy problem with a source of two domains, of which the second may have its classes mixed up."""
    problem = toy.problem()
    train, half = problem.source.train, np.arange(len(problem.source.train)) % 8 < 4
    labels = np.where(half | (not wrong), train.labels, (train.labels + 1) % 4)
    examples = replace(train.examples, labels=labels, domains=np.where(half, 0, 1))
    return replace(problem, source=replace(problem.source, train=replace(train, examples=examples)))


def test_domains_of_a_source_are_aligned_apart_and_the_wrong_one_hardly_counts(toy):
    problem = several(toy)
    model = AlignFeatures(apart=True).apply(deepcopy(toy.trained), problem)
    said = model.notes["weights of the source's domains"]
    assert float(said.partition(",")[0]) > 0.8
    assert toy.accuracy(model) > toy.accuracy(AlignFeatures().apply(deepcopy(toy.trained), problem)) + 0.1
    x = torch.randn(7, 24)
    again = rebuilt(plan(model.head), model.head.state_dict())
    assert torch.equal(again(x), model.head(x))
    assert torch.allclose(model.head(x).exp().sum(1), torch.ones(7), atol=1e-5)


def test_one_domain_apart_is_the_plain_alignment(toy):
    plain, apart = (AlignFeatures(apart=a).apply(deepcopy(toy.trained), toy.problem()) for a in (False, True))
    x = torch.randn(7, 24)
    assert torch.equal(plain.head(x), apart.head(x))
