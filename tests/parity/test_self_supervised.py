"""Losses of self-supervised learning against closed forms and slow references, transcribed from the papers."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from regraft.augment import Augment
from regraft.backbones._base import Network
from regraft.backbones._text import convolved, unpooled
from regraft.core.batch import Batch, Stream
from regraft.core.errors import UserError
from regraft.feeding import Feed
from regraft.model import Model
from regraft.preprocessing.words import Words
from regraft.runtime import Runtime
from regraft.terms._base import Round
from regraft.terms.contrast import nt_xent
from regraft.terms.reconstruct import _Pixels, _Tokens


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_nt_xent_against_a_loop(temperature):
    """Chen et al., ICML 2020, equation 1, averaged over both views of every example."""
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((2, 7, 5))
    z = [v / np.linalg.norm(v) for v in (*a, *b)]
    losses = []
    for i in range(14):
        j = (i + 7) % 14
        others = sum(math.exp(z[i] @ z[k] / temperature) for k in range(14) if k != i)
        losses.append(-math.log(math.exp(z[i] @ z[j] / temperature) / others))
    found = nt_xent(torch.from_numpy(a), torch.from_numpy(b), temperature)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-9)


def test_nt_xent_in_closed_form():
    """Equal views, examples at right angles: each of 2 N rows sees its twin at 1 and 2 N - 2 others at 0."""
    n, t = 6, 0.5
    x = 3 * torch.eye(n)
    assert nt_xent(x, x, t).item() == pytest.approx(math.log(1 + (2 * n - 2) * math.exp(-1 / t)), rel=1e-6)
    assert nt_xent(torch.ones(n, 4), torch.ones(n, 4), t).item() == pytest.approx(math.log(2 * n - 1), rel=1e-6)


def pixels(share: float, guess: float) -> tuple[_Pixels, Model]:
    """The masked term of a network that sees nothing and always answers ``guess``."""
    network = Network([nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())], 3)
    model = Model(network, nn.Identity(), ())
    term = _Pixels(share, model, 16, seed=0)
    nn.init.zeros_(term.decoder[2].weight)
    nn.init.constant_(term.decoder[2].bias, guess)
    return term, model


def test_only_what_is_hidden_counts_and_nothing_of_it_is_seen():
    term, model = pixels(0.5, guess=0.25)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    x = torch.rand(4, 3, 16, 16) + 1  # never zero, so what is zero was hidden
    value = term(Round(model, {Stream.UNLABELED: Batch(x, None)}, 0.0))
    hidden = seen[0] == 0
    assert hidden.flatten(1).float().mean(1).tolist() == [0.5] * 4
    assert torch.equal(seen[0][~hidden], x[~hidden])
    patches = hidden[:, 0].float().unfold(1, 2, 2).unfold(2, 2, 2).mean((-1, -2))
    assert set(patches.unique().tolist()) == {0.0, 1.0}  # whole patches
    assert value.item() == pytest.approx((x[hidden] - 0.25).square().mean().item(), rel=1e-5)


WORDS = Words(vocabulary=("<unk>", *(f"w{i}" for i in range(199))), length=40)


def tokens(share: float) -> tuple[_Tokens, Model]:
    torch.manual_seed(0)
    model = Model(convolved(200), nn.Identity(), ()).eval()
    return _Tokens(share, model, WORDS, seed=0), model


def test_masked_tokens_are_chosen_and_replaced_as_in_the_paper():
    """Devlin et al., NAACL 2019, section 3.1: of the chosen, 80% hidden, 10% others, 10% as they are."""
    term, model = tokens(0.15)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    x = torch.randint(1, 200, (500, 40))
    x[:, 30:] = -1
    term(Round(model, {Stream.UNLABELED: Batch(x, None)}, 0.0))
    given, n = seen[0], 500 * 30
    assert torch.equal(given[:, 30:], x[:, 30:])
    assert abs((given == 0).sum().item() / n - 0.15 * 0.8) < 4 * math.sqrt(0.12 * 0.88 / n)
    others = ((given != x) & (given != 0)).sum().item() / n
    assert abs(others - 0.15 * 0.1) < 4 * math.sqrt(0.015 * 0.985 / n)


def test_masked_tokens_cost_the_likelihood_of_what_was_there():
    """With scores of zero for every token but those that the bias names, the loss is known."""
    term, model = tokens(0.3)
    nn.init.zeros_(term.layer[2].weight)
    nn.init.zeros_(term.layer[2].bias)
    x = torch.randint(1, 200, (20, 12))
    round_ = Round(model, {Stream.UNLABELED: Batch(x, None)}, 0.0)
    assert term(round_).item() == pytest.approx(math.log(200), rel=1e-5)
    with torch.no_grad():
        term.bias[1:] = 2.0
    assert term(round_).item() == pytest.approx(math.log(199 + math.exp(-2)), rel=1e-5)


def test_states_of_tokens_make_up_the_features_and_some_networks_have_none():
    network = convolved(50).eval()
    x = torch.randint(0, 50, (3, 9))
    with unpooled(network):
        states = network(x)
    assert states.shape == (3, 9, 192)
    assert torch.allclose(torch.cat([states.mean(1), states.amax(1)], 1), network(x))
    plain = Network([nn.Flatten()], 9)
    with pytest.raises(UserError, match="reads both ways"), unpooled(plain):
        pass


def test_a_twin_is_the_same_example_in_another_variant(toy):
    """The same pictures in the same order, varied apart."""
    data, preprocess = toy.problem().target.unlabeled, toy.backbone().preprocess
    from_, to = (Feed(data, s, 3, preprocess, Runtime()) for s in (Stream.UNLABELED, Stream.TWIN))
    plain = [feed.vary(8, None, None).batch(7).inputs for feed in (from_, to)]
    assert torch.equal(*plain)
    varied = [feed.vary(8, Augment(), None).batch(7).inputs for feed in (from_, to)]
    assert not torch.equal(*varied)
