"""Terms of domain adaptation against slow references, loop by loop from the papers' equations."""

from copy import deepcopy
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from regraft.core.batch import Batch, Stream
from regraft.core.catalog import find
from regraft.core.errors import CandidateError
from regraft.divergences.mmd import Mmd
from regraft.model import Model
from regraft.terms import domain_adversary
from regraft.terms._base import Round
from regraft.terms._domains import reverse, warming
from regraft.terms.class_align import local
from regraft.terms.class_confusion import confusion
from regraft.terms.domain_adversary import DomainAdversary, multilinear
from regraft.terms.margin_disparity import disagreement
from regraft.terms.transport import pairing

CLASSES = 4


class Given(Model):
    """A model of one number a feature, so that features are what a test says and gradients can be read off them."""

    def __init__(self, toy, features: dict[Stream, torch.Tensor]) -> None:
        like = toy.fresh()
        super().__init__(like.backbone, like.head, like.classes)
        self.given = {stream: x.clone().requires_grad_(True) for stream, x in features.items()}

    def round(self, progress: float = 0.5) -> Round:
        targets = torch.arange(len(self.given[Stream.SOURCE])) % CLASSES
        drawn = {s: Batch(x, targets if s is Stream.SOURCE else None) for s, x in self.given.items()}
        round_ = Round(self, drawn, progress)
        for stream, batch in drawn.items():
            x = batch.inputs
            round_._views[stream] = domain_adversary.View(x, self.head(x), batch.targets)
        return round_


@pytest.fixture
def given(toy) -> Given:
    draw = torch.Generator().manual_seed(3)
    features = {Stream.SOURCE: torch.randn(8, 24, generator=draw), Stream.UNLABELED: torch.randn(6, 24, generator=draw)}
    return Given(toy, {s: x + (s is Stream.UNLABELED) for s, x in features.items()})


def bound(term, model, toy):
    torch.manual_seed(1)
    return term.bind(model, toy.problem())


def probabilities(model: Given, stream: Stream) -> np.ndarray:
    return model.head(model.given[stream]).softmax(1).detach().double().numpy()


def test_reversal_turns_the_gradient_and_not_the_value():
    x = torch.randn(3, 2, requires_grad=True)
    assert torch.equal(reverse(x, 0.25), x)
    (reverse(x, 0.25) ** 2).sum().backward()
    assert torch.allclose(x.grad, -0.25 * 2 * x)


def test_the_schedule_of_the_paper():
    assert warming(0) == 0
    assert warming(0.5) == pytest.approx(2 / (1 + np.exp(-5)) - 1)
    assert 0.999 < warming(1) < 1


def test_features_climb_what_the_discriminator_descends(given, toy):
    """Against plain gradients without any reversal."""
    fixed = bound(DomainAdversary(), given, toy)
    fixed(given.round(0.3)).backward()
    found = [p.grad.clone() for p in fixed.parameters()]
    source, target = (given.given[s] for s in (Stream.SOURCE, Stream.UNLABELED))
    plain = -F.logsigmoid(fixed.discriminator(source)).mean() - F.logsigmoid(-fixed.discriminator(target)).mean()
    expected = torch.autograd.grad(plain, [*fixed.parameters(), source, target])
    for one, other in zip(found, expected[: len(found)], strict=True):
        assert torch.allclose(one, other, atol=1e-7)
    for leaf, gradient in zip((source, target), expected[len(found) :], strict=True):
        assert torch.allclose(leaf.grad, -0.1 * warming(0.3) * gradient, atol=1e-7)


def test_multilinear_map_is_every_product():
    f, g = torch.randn(3, 5), torch.randn(3, 2).softmax(1)
    slow = [[f[b, i] * g[b, j] for i in range(5) for j in range(2)] for b in range(3)]
    assert torch.allclose(multilinear(f, g), torch.tensor(slow))


def test_random_multilinear_map_keeps_inner_products(monkeypatch):
    """The inner product of two maps is that of the features times that of the predictions, in expectation."""
    monkeypatch.setattr(domain_adversary, "_WIDEST", 1)
    torch.manual_seed(0)
    fixed = domain_adversary._DomainAdversary(DomainAdversary(conditional=True), 6, 3)
    f, logits = torch.randn(2, 6) + 2, torch.randn(2, 3)
    seen = fixed._seen(domain_adversary.View(f, logits, None), 1.0)
    g = logits.softmax(1)
    assert (seen[0] @ seen[1]).item() == pytest.approx((f[0] @ f[1] * (g[0] @ g[1])).item(), rel=0.2)


def test_the_conditional_adversary_reaches_predictions_too(given, toy):
    """Against plain gradients without any reversal; as constants, as in the authors' code, predictions get none."""
    heads = {s: torch.randn(given.given[s].shape[1], 3, requires_grad=True) for s in (Stream.SOURCE, Stream.UNLABELED)}
    for through in (True, False):
        fixed = domain_adversary._DomainAdversary(
            DomainAdversary(conditional=True, through=through), len(heads[Stream.SOURCE]), 3
        )
        for stream, head in heads.items():
            features = given.given[stream].detach()
            seen = fixed._seen(domain_adversary.View(features, features @ head, None), 0.3)
            found = torch.autograd.grad(fixed.discriminator(seen).sum() + 0 * head.sum(), head)[0]
            plain = multilinear(features, (features @ head).softmax(1))
            expected = torch.autograd.grad(fixed.discriminator(plain).sum(), head)[0]
            assert torch.allclose(found, -0.3 * through * expected, atol=1e-6)
            assert expected.abs().max() > 1e-4


def test_entropy_weights_of_conditional_adversary(given, toy):
    fixed = bound(DomainAdversary(conditional=True, entropy=True), given, toy)
    total = 0.0
    for stream, sign in ((Stream.SOURCE, 1), (Stream.UNLABELED, -1)):
        p = probabilities(given, stream)
        weights = 1 + np.exp((p * np.log(p)).sum(1))
        seen = multilinear(given.given[stream], torch.from_numpy(p).float())
        losses = -F.logsigmoid(sign * fixed.discriminator(seen)).squeeze(1).detach().numpy()
        total += (weights / weights.sum() * losses).sum()
    assert fixed(given.round()).item() == pytest.approx(total, rel=1e-5)


def test_each_loss_of_two_encoders_moves_its_own_side(given, toy, monkeypatch):
    fixed = bound(find("terms", "encoder_adversary")(), given, toy)
    source, target = (given.given[s] for s in (Stream.SOURCE, Stream.UNLABELED))
    monkeypatch.setattr(type(fixed.source), "view", lambda *_: domain_adversary.View(1 * source, source, None))
    fixed(given.round()).backward()
    known, made = fixed.discriminator(source), fixed.discriminator(target)
    expected = torch.autograd.grad(
        -F.logsigmoid(known).mean() - F.logsigmoid(-made).mean(), list(fixed.discriminator.parameters()),
        retain_graph=True,
    )  # fmt: skip
    for parameter, gradient in zip(fixed.discriminator.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-7)
    assert torch.allclose(target.grad, torch.autograd.grad(-F.logsigmoid(made).mean(), target)[0], atol=1e-7)
    assert source.grad is None
    assert all(p.grad is None for p in fixed.source.parameters())


def test_two_heads_raise_and_features_lower_their_discrepancy(given, toy):
    fixed = bound(find("terms", "classifier_discrepancy")(weight=2.0, reversal=3.0, dropout=0.0), given, toy)
    round_ = given.round()
    loss = fixed(round_)
    p, x = probabilities(given, Stream.UNLABELED), given.given[Stream.UNLABELED]
    q = fixed.head(x).softmax(1)
    slow = sum(abs(p[i, k] - q[i, k].item()) for i in range(6) for k in range(CLASSES)) / (6 * CLASSES)
    source = round_.view(Stream.SOURCE)
    learned = toy.problem().task.loss(fixed.head(source.features), source.targets)
    assert loss.item() == pytest.approx(learned.item() - 2 * slow, rel=1e-5)
    loss.backward()
    plain = (given.head(x).softmax(1) - q).abs().mean()
    climbed = 6 * warming(0.5) * torch.autograd.grad(plain, x, retain_graph=True)[0]
    assert torch.allclose(x.grad, climbed, atol=1e-7)
    assert torch.allclose(given.head.weight.grad, -2 * torch.autograd.grad(plain, given.head.weight)[0], atol=1e-7)


def test_each_head_drops_features_of_its_own(given, toy):
    """What is left is so much larger that the mean over many draws is what there was."""
    fixed = bound(find("terms", "classifier_discrepancy")(dropout=0.75), given, toy)
    x = torch.ones(2000, 3)
    one, other = (fixed._dropped(x, given.round(), name) for name in ("one", "other"))
    assert set(one.unique().tolist()) == {0.0, 4.0}
    assert one.mean().item() == pytest.approx(1, abs=0.1)
    assert (one != other).any()


def test_margin_disparity(given, toy):
    fixed = bound(find("terms", "margin_disparity")(margin=3.0), given, toy)
    total = 0.0
    for stream in (Stream.SOURCE, Stream.UNLABELED):
        x = given.given[stream]
        p = (
            fixed.head(x)
            .softmax(1)
            .detach()
            .double()
            .numpy()[np.arange(len(x)), probabilities(given, stream).argmax(1)]
        )
        total += 3 * -np.log(p).mean() if stream is Stream.SOURCE else -np.log(1 - p).mean()
    loss = fixed(given.round(0.7))
    assert loss.item() == pytest.approx(total, rel=1e-4)
    loss.backward()
    x = given.given[Stream.UNLABELED]
    plain = torch.autograd.grad(disagreement(fixed.head(x), given.head(x).argmax(1)), x)[0]
    assert torch.allclose(x.grad, -0.1 * warming(0.7) * plain, atol=1e-7)
    assert torch.isfinite(disagreement(torch.tensor([[200.0, 0.0]]), torch.tensor([0])))  # p rounds to one


def test_gradient_penalty_against_differences(given, toy):
    fixed = bound(find("terms", "critic_distance")(penalty=10.0), given, toy).double()
    source, target = (given.given[s].detach().double() for s in (Stream.SOURCE, Stream.UNLABELED))
    share = fixed.drawn((6, 1), given.round(), "between").double()
    points = torch.cat([source, target, source[:6] + share * (target - source[:6])])
    tiny, norms = 1e-5, []
    with torch.no_grad():
        for point in points:
            ends = [fixed.critic(point + sign * tiny * torch.eye(24, dtype=torch.float64)) for sign in (1, -1)]
            norms.append(((ends[0] - ends[1]).squeeze(1) / (2 * tiny)).norm().item())
        apart = (fixed.critic(source).mean() - fixed.critic(target).mean()).item()
    expected = 10 * np.mean([(norm - 1) ** 2 for norm in norms]) - apart
    given.given = {s: x.detach().double().requires_grad_(True) for s, x in given.given.items()}
    given.head.double()
    round_ = given.round()
    fixed.float()
    assert fixed(round_).item() == pytest.approx(expected, rel=1e-4)


def test_critic_is_climbed_by_features_without_the_penalty(given, toy):
    fixed = bound(find("terms", "critic_distance")(), given, toy)
    fixed(given.round()).backward()
    x = given.given[Stream.SOURCE]
    expected = 0.1 * warming(0.5) * torch.autograd.grad(fixed.critic(x).mean(), x)[0]
    assert torch.allclose(x.grad, expected, atol=1e-7)


def test_class_confusion_against_loops():
    outputs = np.random.default_rng(0).normal(size=(7, 3)) * 3
    p = np.exp(outputs / 2.5) / np.exp(outputs / 2.5).sum(1, keepdims=True)
    weight = [1 + np.exp(sum(v * np.log(v) for v in row)) for row in p]
    weight = [7 * w / sum(weight) for w in weight]
    matrix = [[sum(weight[i] * p[i, j] * p[i, k] for i in range(7)) for k in range(3)] for j in range(3)]
    total = sum(matrix[j][k] / sum(matrix[j]) for j in range(3) for k in range(3) if j != k) / 3
    assert confusion(torch.from_numpy(outputs), 2.5).item() == pytest.approx(total, rel=1e-5)


def test_nuclear_norm(given, toy):
    p = probabilities(given, Stream.UNLABELED)
    expected = -np.sqrt(np.linalg.eigvalsh(p.T @ p).clip(0)).sum() / len(p)
    assert bound(find("terms", "nuclear_norm")(), given, toy)(given.round()).item() == pytest.approx(expected, rel=1e-5)


def test_feature_norm_lengthens_every_feature(given, toy):
    value = bound(find("terms", "feature_norm")(step=0.5), given, toy)(given.round())
    assert value.item() == pytest.approx(2 * 0.25)
    value.backward()
    for x in given.given.values():
        assert torch.allclose(x.grad, -2 * 0.5 * F.normalize(x) / len(x), atol=1e-6)


def test_spectral_penalty(given, toy):
    top = [np.linalg.eigvalsh((x @ x.T).detach().double().numpy())[-2:].sum() for x in given.given.values()]
    value = bound(find("terms", "spectral_penalty")(largest=2), given, toy)(given.round()).item()
    assert value == pytest.approx(sum(top), rel=1e-4)


def gaussians(rows: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    """Sums of Gaussian kernels, of multiples of the median squared distance (lower of two) of different rows."""
    squares = np.array([[np.square(a - b).sum() for b in rows] for a in rows])
    pairs = np.sort(squares[~np.eye(len(rows), dtype=bool)])
    width = pairs[(len(pairs) - 1) // 2]
    return sum(np.exp(-squares / (scale * width)) for scale in scales)


def test_joint_discrepancy_is_of_the_product_of_kernels(given, toy):
    streams = (Stream.SOURCE, Stream.UNLABELED)
    features = np.concatenate([given.given[s].detach().double().numpy() for s in streams])
    kernel = gaussians(features, (0.25, 0.5, 1.0, 2.0, 4.0))
    p = np.concatenate([probabilities(given, s) for s in streams])
    kernel *= np.exp(-np.square(p[:, None] - p).sum(2) / 1.68)
    sign = np.concatenate([np.full(8, 1 / 8), np.full(6, -1 / 6)])
    slow = sum(sign[i] * sign[j] * kernel[i, j] for i in range(14) for j in range(14))
    value = bound(find("terms", "joint_align")(), given, toy)(given.round())
    assert value.item() == pytest.approx(slow, rel=1e-4)


def test_local_discrepancy_is_the_mean_over_classes():
    generator = np.random.default_rng(0)
    rows, labels = generator.normal(size=(11, 3)), np.array([0, 0, 1, 1, 1, 3])
    p = generator.dirichlet(np.ones(4), 5)
    kernel = Mmd(bandwidth=2.0).kernel(torch.from_numpy(rows))
    each = []
    for c in (0, 1, 3):  # the source has no example of the third class
        w = np.concatenate([(labels == c) / (labels == c).sum(), -p[:, c] / p[:, c].sum()])
        each.append(sum(w[i] * w[j] * kernel[i, j].item() for i in range(11) for j in range(11)))
    found = local(kernel, F.one_hot(torch.from_numpy(labels), 4).double(), torch.from_numpy(p))
    assert found.item() == pytest.approx(np.mean(each))


def test_local_discrepancy_of_one_class_is_the_discrepancy():
    a, b = torch.randn(5, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    ones = [torch.ones(len(x), 1, dtype=torch.float64) for x in (a, b)]
    assert local(Mmd().kernel(torch.cat([a, b])), *ones).item() == pytest.approx(Mmd()(a, b).item())


def test_pairing_is_the_best_of_all():
    cost = torch.rand(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    best = min(sum(cost[i, j].item() for i, j in enumerate(order)) for order in permutations(range(4))) / 4
    assert (pairing(cost) * cost).sum().item() == pytest.approx(best)


def test_pairing_of_unequal_batches_uses_every_example_alike():
    plan = pairing(torch.rand(4, 6, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(plan.sum(0), torch.full((6,), 1 / 6))
    assert torch.allclose(plan.sum(1), torch.full((4,), 1 / 4))


def test_transport_costs_features_and_labels(given, toy):
    value = bound(find("terms", "transport")(distance=0.1, labels=2.0), given, toy)(given.round())
    source, target = given.given[Stream.SOURCE].detach(), given.given[Stream.UNLABELED].detach()
    said = np.log(probabilities(given, Stream.UNLABELED))
    cost = [[0.1 * (a - b).square().sum().item() - 2 * said[j, i % CLASSES] for j, b in enumerate(target)]
            for i, a in enumerate(source)]  # fmt: skip
    cost = torch.tensor(cost, dtype=torch.float64)
    assert value.item() == pytest.approx((pairing(cost) * cost).sum().item(), rel=1e-4)


@pytest.mark.parametrize("name", ["align", "joint_align"])
def test_identical_domains_are_at_no_distance(name, given, toy):
    same = given.given[Stream.SOURCE].detach()
    model = Given(toy, {Stream.SOURCE: same, Stream.UNLABELED: same})
    fixed = bound(find("terms", name)(), model, toy)
    assert fixed(model.round()).item() == pytest.approx(0, abs=1e-6)


def test_classes_that_the_target_lacks_count_little(given, toy):
    fixed = bound(find("terms", "partial_adversary")(adversary=0.5), given, toy)
    everything = toy.problem().target.unlabeled
    inputs = toy.problem().backbone.preprocess.tensor(everything.arrays[everything.rows])
    given.eval()
    with torch.no_grad():
        mean = Model.forward(given, inputs).softmax(1).double().mean(0).numpy()
    found = fixed(given.round())
    weights = mean / mean.max()
    assert fixed.weights.numpy() == pytest.approx(weights, rel=1e-4)
    source, target = (given.given[s] for s in (Stream.SOURCE, Stream.UNLABELED))
    total, labels = 0.0, np.arange(8) % CLASSES
    own = -F.logsigmoid(fixed.discriminator(source)).squeeze(1).detach().numpy()
    for i, label in enumerate(labels):
        loss = toy.problem().task.loss(given.head(source[i : i + 1]), torch.tensor([label])).item()
        total += weights[label] * (loss + 0.5 * own[i]) / 8
    total -= 0.5 * F.logsigmoid(-fixed.discriminator(target)).mean().item()
    assert found.item() == pytest.approx(total, rel=1e-4)


def opened(toy):
    """The toy problem with a source that does not name the class of the target's third row."""
    problem = toy.problem()
    train = problem.source.train.take(np.flatnonzero(problem.source.train.labels != 2))
    names = tuple(name for name in train.classes if name != train.classes[2])
    places = np.array([0, 1, -1, 2])[train.labels]
    source = replace(
        problem.source, train=replace(train, examples=replace(train.examples, labels=places, classes=names))
    )
    return replace(problem, source=source)


def test_what_is_unknown_gets_a_given_probability_and_the_features_anything_else(given, toy):
    """Saito et al., ECCV 2018, eq. 2 by hand; the head goes down the loss and the features up."""
    problem = opened(toy)
    fixed = find("terms", "unknown_adversary")(adversary=0.7, boundary=0.3, reversal=2.0).bind(given, problem)
    round_ = given.round(0.5)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    view = round_.view(Stream.SOURCE)
    round_._views[Stream.SOURCE] = replace(view, targets=labels)
    own = problem.task.loss(given.head(given.given[Stream.SOURCE]), torch.tensor([0, 1, 3, 0, 1, 3, 0, 1])).item()
    p = probabilities(given, Stream.UNLABELED)[:, 2]
    told = -(0.3 * np.log(p) + 0.7 * np.log(1 - p)).mean()
    assert fixed(round_).item() == pytest.approx(own + 0.7 * told, rel=1e-5)
    assert given.notes["unknown"] == problem.task.classes[2]

    x = given.given[Stream.UNLABELED]
    q = given.head(x).softmax(1)[:, 2]
    plain = 0.7 * -(0.3 * q.log() + 0.7 * (1 - q).log()).mean()
    down = torch.autograd.grad(plain, [given.head.weight, x], retain_graph=True)
    (fixed(round_) - problem.task.loss(view.outputs, torch.tensor([0, 1, 3, 0, 1, 3, 0, 1]))).backward()
    assert torch.allclose(given.head.weight.grad, down[0], atol=1e-6)
    assert torch.allclose(x.grad, -2.0 * warming(0.5) * down[1], atol=1e-6)


def test_a_source_that_lacks_two_classes_is_refused_and_one_that_lacks_none_has_only_its_own_loss(given, toy):
    problem, term = opened(toy), find("terms", "unknown_adversary")()
    train = problem.source.train
    two = replace(train, examples=replace(train.examples, classes=("ant", "other", "cow")))
    with pytest.raises(CandidateError, match="one of the target may be unknown to it, and these are"):
        term.bind(given, replace(problem, source=replace(problem.source, train=two)))
    fixed, round_ = term.bind(given, toy.problem()), given.round()
    view = round_.view(Stream.SOURCE)
    assert fixed(round_).item() == pytest.approx(problem.task.loss(view.outputs, view.targets).item(), rel=1e-6)


@pytest.mark.parametrize("lacking", ["silent", "learned"])
def test_a_head_gets_a_row_for_what_the_source_does_not_name(lacking, toy):
    problem, model = opened(toy), deepcopy(toy.trained)
    model.head, model.classes = nn.Linear(24, 3), problem.source.train.classes
    kept = find("edits", "keep_head")(lacking=lacking).apply(deepcopy(model), problem)
    x = torch.randn(50, 24)
    assert torch.allclose(kept.head(x)[:, [0, 1, 3]], model.head(x), atol=1e-6)
    assert kept.classes == problem.task.classes
    if lacking == "silent":
        assert (kept.head(x).argmax(1) != 2).all()
    with pytest.raises(CandidateError, match="does not name the class"):
        find("edits", "keep_head")().apply(model, problem)
