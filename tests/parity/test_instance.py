"""Methods of the instance family against slow references, written here from the papers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from regraft import artifacts
from regraft.backbones.small import Small
from regraft.core.errors import CandidateError
from regraft.edits.weighted_head import WeightedHead
from regraft.heads._boosting import Pool, _shrunk, tradaboost, tradaboost_r2, two_stage
from regraft.heads._layers import Vote, through
from regraft.heads.logistic import Logistic
from regraft.heads.mlp import Mlp
from regraft.heads.ridge import Ridge
from regraft.model import Model
from regraft.weightings._base import effective_size
from regraft.weightings.rulsif import Rulsif

OURS, ALL = 40, 70


def pool(classes: int = 2, numbers: bool = False) -> Pool:
    """Source examples of which a quarter is labelled wrongly, then thirty of the target, some of them hard."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, ALL)
    x = rng.normal(size=(ALL, 3)) + 1.5 * np.eye(3)[labels]
    given = np.where(np.arange(ALL) < OURS // 4, (labels + 1) % classes, labels)
    if numbers:
        given = x[:, 0] + 0.3 * rng.normal(size=ALL) + 4.0 * (np.arange(ALL) < OURS // 4)
    return Pool(x, given, OURS, Ridge() if numbers else Logistic(strength=10.0), 1 if numbers else classes)


def test_tradaboost_of_two_classes_is_the_papers_rule():
    """Figure 1 of Dai et al., example by example: weights, the error of the target, and the product of the vote."""
    given, rounds = pool(), 3
    weights, learners = list(given.start()), []
    slow = 1 / (1 + (2 * np.log(OURS) / rounds) ** 0.5)
    for _ in range(rounds):
        shares = np.array(weights) / sum(weights)
        alike = shares / np.bincount(given.labels, shares)[given.labels]  # the learners count both classes alike
        layer = Logistic(strength=10.0).fit(given.features, given.labels, 2, alike / alike.mean())
        said = layer.double()(torch.from_numpy(given.features)).argmax(1).numpy()
        error = sum(weights[i] * abs(said[i] - given.labels[i]) for i in range(OURS, ALL)) / sum(weights[OURS:])
        assert 0.5 / 31 < error < 0.5
        beta = error / (1 - error)
        for i in range(ALL):
            weights[i] *= (
                slow ** abs(said[i] - given.labels[i]) if i < OURS else beta ** -abs(said[i] - given.labels[i])
            )
        learners.append((layer, beta))
    x = 4 * np.random.default_rng(1).normal(size=(200, 3))
    half = learners[int(np.ceil(rounds / 2)) - 1 :]
    votes = [(layer(torch.from_numpy(x)).argmax(1).detach().numpy(), beta) for layer, beta in half]
    ones = np.prod([beta ** -said.astype(float) for said, beta in votes], 0) >= np.prod([b**-0.5 for _, b in votes])
    found = through(tradaboost(given, rounds), x)
    assert 20 < ones.sum() < 180
    assert (found.argmax(1) == ones).all()
    assert len(given.rounds) == rounds
    assert (given.rounds[0] == 1 / OURS).all()
    assert effective_size(given.rounds[-1]) < OURS
    assert sum(weights[: OURS // 4]) / 10 < 0.5 * sum(weights[OURS // 4 : OURS]) / 30


def test_boosting_ends_where_learners_are_no_better_than_chance():
    given = pool()
    wrong = replace(given, labels=np.r_[given.labels[:OURS], 1 - given.labels[OURS:]], target=1e-6)
    with pytest.raises(CandidateError, match="no better than chance"):
        tradaboost(wrong, 5)
    assert through(tradaboost(pool(3), 5), given.features).shape == (ALL, 3)
    with pytest.raises(CandidateError, match="not linear"):
        tradaboost(replace(given, head=_Deep()), 5)


class _Deep:
    def fit(self, *_: object) -> torch.nn.Module:
        return Mlp().build(3, 2)


@pytest.mark.parametrize("boost", [lambda given: tradaboost_r2(given, 10), lambda given: two_stage(given, 4, 4)])
def test_boosted_numbers_leave_what_misleads_behind(boost):
    given = pool(numbers=True)
    x = np.random.default_rng(1).normal(size=(200, 3)) + 0.4
    both = Ridge().fit(given.features, given.labels, 1).double()
    errors = [np.abs(through(layer, x)[:, 0] - x[:, 0]).mean() for layer in (boost(given), both)]
    assert errors[0] < 0.7 * errors[1]


def test_the_source_shrinks_to_the_share_that_a_stage_asks_for_where_it_misses_most():
    weights, misses = np.ones(6), np.array([0.0, 0.2, 0.6, 1.0])
    ours = _shrunk(weights, misses, 0.5)
    assert 2 / (2 + ours.sum()) == pytest.approx(0.5)
    beta = ours[3] / ours[0]
    assert ours / ours[0] == pytest.approx(beta**misses)
    assert _shrunk(weights, misses, 1.0).sum() == pytest.approx(0, abs=1e-9)


def test_a_vote_is_the_plurality_or_the_weighted_median_of_its_layers():
    rng = np.random.default_rng(0)
    values = {"weight": rng.normal(size=(5, 3, 4)), "bias": rng.normal(size=(5, 4)), "votes": rng.uniform(size=5)}
    x = rng.normal(size=(20, 3))
    found, middle = (through(Vote(values, kind=kind), x) for kind in ("plurality", "median"))
    for row, counts, medians in zip(x, found, middle, strict=True):
        each = [row @ w + b for w, b in zip(values["weight"], values["bias"], strict=True)]
        slow = [sum(v for v, out in zip(values["votes"], each, strict=True) if out.argmax() == k) for k in range(4)]
        assert counts == pytest.approx(slow)
        for k in range(4):
            ordered = sorted((out[k], v) for out, v in zip(each, values["votes"], strict=True))
            reached = np.cumsum([v for _, v in ordered])
            assert medians[k] == pytest.approx(ordered[np.flatnonzero(reached >= reached[-1] / 2)[0]][0])


def test_source_examples_with_wrong_labels_are_the_ones_left_out(toy):
    problem = toy.problem()
    source = problem.source.train
    labels = np.where(np.arange(len(source)) < 20, (source.labels + 1) % 4, source.labels)
    wrong = replace(source, examples=replace(source.examples, labels=labels))
    mixed = replace(problem, source=replace(problem.source, train=wrong))
    heads = [WeightedHead(misleading=share, target=1.0).apply(toy.fresh(), mixed) for share in (0.0, 1.0)]
    left = int(heads[1].notes["source examples left out"].split()[0])
    assert 15 <= left < 60
    assert toy.accuracy(heads[1]) >= toy.accuracy(heads[0])


def test_how_far_weights_reach_is_noted_and_kept_with_the_model(toy, tmp_path):
    problem = toy.problem()
    model = WeightedHead(weighting=Rulsif()).apply(toy.fresh(), problem)
    assert model.notes["weights of its examples"].startswith("rulsif: effective size")
    small = Small()
    other = Model(small.build(), torch.nn.Linear(small.build().feature_dim, 4), model.classes)
    other.notes = model.notes
    artifacts.save(tmp_path, other, small, problem.task, {})
    assert artifacts.load(tmp_path)[0].notes == model.notes


def test_sources_that_say_nothing_of_the_target_are_refused(toy):
    problem = toy.problem()
    source = problem.source.train
    named = replace(source, examples=replace(source.examples, classes=("oak", "elm", "ash", "fir")))
    with pytest.raises(CandidateError, match="share no class by name"):
        WeightedHead().apply(toy.fresh(), replace(problem, source=replace(problem.source, train=named)))
