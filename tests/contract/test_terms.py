"""Laws of every term."""

from dataclasses import replace

import pytest
import torch

from regraft.core import catalog
from regraft.core.batch import Batch, Stream
from regraft.core.config import entry, to_plain
from regraft.core.errors import CandidateError
from regraft.data.dataset import Domain
from regraft.feeding import Feed
from regraft.runtime import Runtime
from regraft.terms._base import Round, Weighted
from regraft.terms._drawing import Drawing
from regraft.terms.align import Align
from regraft.terms.domain_adversary import DomainAdversary
from regraft.terms.learned_weight import LearnedWeight
from regraft.terms.match_layers import MatchLayers
from regraft.terms.supervised import Supervised
from regraft.weightings.nearest_neighbour import NearestNeighbour

TERMS = [catalog.find("terms", name)() for name in catalog.names("terms")]
TERMS += [Supervised(stream=Stream.SOURCE), Align(layer="outputs"), DomainAdversary(conditional=True, entropy=True)]
TERMS += [Supervised(stream=Stream.SOURCE, weighting=NearestNeighbour()), LearnedWeight(term=MatchLayers())]
IDS = [f"{type(t).__name__}-{i}" for i, t in enumerate(TERMS)]


def batches(problem, count: int = 12) -> dict[Stream, Batch]:
    data = {Stream.TARGET: problem.target.train, Stream.UNLABELED: problem.target.unlabeled}
    data |= {Stream.SOURCE: problem.source.train, Stream.TWIN: problem.target.unlabeled}
    feeds = {s: Feed(d, s, 0, problem.backbone.preprocess, Runtime()).vary(count, None, None) for s, d in data.items()}
    return {stream: feed.batch(0) for stream, feed in feeds.items()}


def bound(term, toy, problem=None):
    """The term fixed to a model that has since moved a little, as in the middle of training."""
    problem, model = problem or toy.problem(), toy.fresh()
    fixed = term.bind(model, problem)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return fixed, model, problem


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_value_is_a_finite_scalar_whose_gradient_reaches_the_backbone(term, toy):
    fixed, model, problem = bound(term, toy)
    if term.needs == {Stream.SOURCE} or term == Supervised():  # a head at zero would send nothing back
        torch.nn.init.normal_(model.head.weight)
    fixed(
        Round(model.train(), batches(problem), 0.4, term.watches)
    )  # a term may contrast with what earlier steps have seen
    value = fixed(Round(model.train(), batches(problem), 0.5, term.watches))
    assert value.shape == ()
    assert torch.isfinite(value)
    value.backward()
    gradients = [p.grad for p in model.backbone.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert any(g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_reads_the_streams_that_it_declares_and_no_labels_of_the_unlabelled(term, toy):
    fixed, model, problem = bound(term, toy)
    drawn = batches(problem)
    assert drawn[Stream.UNLABELED].targets is None
    fixed(Round(model, {stream: drawn[stream] for stream in term.needs}, 0.0, term.watches))


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_equal_rounds_give_equal_values(term, toy):
    fixed, model, problem = bound(term, toy)
    drawn = batches(problem)
    model.eval()
    with torch.no_grad():
        first, second = (fixed(Round(model, drawn, 0.5, term.watches)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_the_order_of_examples_is_of_no_account(term, toy):
    """But to terms that draw a random number for each."""
    fixed, model, problem = bound(term, toy)
    model.eval()
    if isinstance(fixed, Drawing):
        return
    drawn, order = batches(problem), torch.randperm(12, generator=torch.Generator().manual_seed(0))
    mixed = {
        s: Batch(b.inputs[order], None if b.targets is None else b.targets[order], b.start, b.index[order])
        for s, b in drawn.items()
    }
    with torch.no_grad():
        first, second = (fixed(Round(model, some, 0.5, term.watches)).item() for some in (drawn, mixed))
    assert second == pytest.approx(first, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("term", TERMS, ids=IDS)
@pytest.mark.parametrize("count", [1, 2])
def test_batches_of_fewer_examples_than_classes_or_features_have_a_value_and_a_gradient(count, term, toy):
    fixed, model, problem = bound(term, toy)
    value = fixed(Round(model.train(), batches(problem, count), 0.5, term.watches))
    assert torch.isfinite(value)
    value.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in (*model.parameters(), *fixed.parameters()))


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_other_classes_in_the_source_are_refused_in_a_sentence_or_learned_apart(term, toy):
    other = Domain("source", toy.draw("source", 4, True, ("one", "two", "three", "four")))
    said = None
    try:
        fixed, model, problem = bound(term, toy, toy.problem(source=other))
    except CandidateError as error:
        said = str(error)
    if said is None:
        assert torch.isfinite(fixed(Round(model.train(), batches(problem), 0.5, term.watches)))
    else:
        assert "source names other classes" in said


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_options_round_trip(term):
    assert entry("terms", to_plain(term)) == term


def test_a_stream_is_forwarded_once(toy):
    problem, model, calls = toy.problem(), toy.fresh(), []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    round_ = Round(model, batches(problem), 0.0)
    for _ in range(3):
        round_.view(Stream.TARGET)
    assert len(calls) == 1


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_what_layers_put_out_is_kept_of_watched_streams_only(term, toy, monkeypatch):
    fixed, model, problem = bound(term, toy)
    round_, hooked, view = Round(model, batches(problem), 0.5, term.watches), set(), model.view

    def forward(batch):
        stream = next(s for s, b in round_.batches.items() if b is batch)
        hooked.update([stream] if any(layer._forward_hooks for layer in model.backbone.modules()) else [])
        return view(batch)

    monkeypatch.setattr(model, "view", forward)
    fixed(round_)
    assert hooked == term.watches <= term.needs
    assert round_._layers.keys() == term.watches
    assert not any(layer._forward_hooks for layer in model.backbone.modules())


def test_layers_of_a_stream_that_is_not_watched_are_a_mistake_of_the_term(toy):
    with pytest.raises(AssertionError, match="says of which streams"):
        Round(toy.fresh(), batches(toy.problem()), 0.5).layers(Stream.TARGET)


def test_stay_close_is_the_papers_penalty(toy):
    term = catalog.find("terms", "stay_close")(fresh=0.25)
    fixed, model, _ = bound(term, toy)
    start = toy.fresh()
    slow = 0.0
    model.requires_grad_(False)
    for now, then in zip(model.backbone.parameters(), start.backbone.parameters(), strict=True):
        slow += 0.5 * (now - then).double().square().sum().item()
    slow += 0.5 * 0.25 * sum(float(p.double().square().sum()) for p in model.head.parameters())
    model.requires_grad_(True)
    assert fixed(Round(model, {}, 0.0)).item() == pytest.approx(slow, rel=1e-5)


def test_stay_close_is_zero_at_the_start(toy):
    model = toy.fresh()
    fixed = catalog.find("terms", "stay_close")(fresh=0.0).bind(model, toy.problem())
    assert fixed(Round(model, {}, 0.0)).item() == 0


def test_a_source_with_other_classes_gets_a_head_of_its_own(toy):
    other = Domain("source", toy.draw("source", 4, True, ("one", "two", "three", "four")))
    problem, model = toy.problem(source=other), toy.fresh()
    term = Supervised(stream=Stream.SOURCE)
    assert list(term.bind(model, problem).parameters())
    assert not list(term.bind(model, toy.problem()).parameters())
    value = term.bind(model, problem)(Round(model, batches(problem), 0.0))
    value.backward()
    assert all(p.grad is None for p in model.head.parameters())


def test_one_head_or_two_on_request(toy):
    other = Domain("source", toy.draw("source", 4, True, ("one", "two", "three", "four")))
    model, alike, apart = toy.fresh(), toy.problem(), toy.problem(source=other)
    assert list(Supervised(stream=Stream.SOURCE, shared=False).bind(model, alike).parameters())
    assert not list(Supervised(stream=Stream.SOURCE, shared=True).bind(model, alike).parameters())
    with pytest.raises(CandidateError, match="other labels"):
        Supervised(stream=Stream.SOURCE, shared=True).bind(model, apart)


def test_weights_ramp_up():
    weighted = Weighted(term=Supervised(), weight=2.0, ramp=0.5)
    assert [weighted.at(p) for p in (0.0, 0.25, 0.5, 0.9)] == [0.0, 1.0, 2.0, 2.0]
    assert Weighted(term=Supervised(), weight=3.0).at(0.0) == 3.0


def test_weights_of_the_source_go_with_their_examples(toy):
    """Whatever order a batch draws them in, and in pieces; without unlabelled examples the labelled ones tell."""
    problem, model = toy.problem(), toy.fresh().eval()
    drawn = batches(problem)
    term = Supervised(stream=Stream.SOURCE, weighting=NearestNeighbour()).bind(model, problem)
    assert term.weights.mean().item() == pytest.approx(1, abs=1e-5)
    view = Round(model, drawn, 0.0).view(Stream.SOURCE)
    expected = problem.task.loss(view.outputs, view.targets, term.weights[drawn[Stream.SOURCE].index])
    assert term(Round(model, drawn, 0.0)).item() == pytest.approx(expected.item())
    pieces = [term(Round(model, {Stream.SOURCE: piece}, 0.0)).item() for piece in drawn[Stream.SOURCE].split(3)]
    assert sum(pieces) / 3 == pytest.approx(expected.item(), rel=1e-4)
    labelled = replace(problem, target=replace(problem.target, unlabeled=None))
    other = Supervised(stream=Stream.SOURCE, weighting=NearestNeighbour()).bind(model, labelled)
    assert not torch.equal(other.weights, term.weights)
