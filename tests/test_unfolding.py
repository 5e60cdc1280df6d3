"""Normalisation that was folded away is measured again: evaluation stays, batch statistics stop to undo the network."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from regraft.folding import folded_away, unfold


def published(scale: float = 1.0) -> nn.Sequential:
    """Convolutions whose normalisation was folded into them, so that only placeholders are left of it."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.BatchNorm2d(8), nn.Flatten()
    )
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(scale * torch.rand(8, 1, 1, 1).add(0.1))
            if isinstance(layer, nn.BatchNorm2d):
                layer.bias.uniform_(-3, 3)
    return network.eval()


def pictures(count: int = 48) -> torch.Tensor:
    return torch.randn(count, 3, 12, 12, generator=torch.Generator().manual_seed(1)) + 1


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_evaluation_stays_and_training_agrees_with_it(scale):
    network, x = published(scale), pictures()
    with torch.no_grad():
        wanted, undone = network(x), network.train()(x)
        network = published(scale)
        assert folded_away(network)
        assert unfold(network, x.split(20))
        assert not folded_away(network)
        assert not network.training
        assert torch.allclose(network(x), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
        again = network.train()(x)
    error = float(F.mse_loss(again, wanted) / wanted.var())
    assert error < 1e-4  # these are the pictures that were measured
    assert error < 1e-3 * float(F.mse_loss(undone, wanted) / wanted.var())


def test_the_statistics_are_those_of_the_inputs():
    network, x = published(), pictures()
    seen = network[0](x).detach()
    unfold(network, x.split(20))
    assert torch.allclose(network[1].running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(network[1].running_var, seen.var((0, 2, 3), correction=0), rtol=1e-4)


class Unused(nn.Module):
    """A network with a normalisation that no pass reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.unseen = published(), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.seen(x)


def test_a_network_that_cannot_be_measured_is_left_as_it_was():
    network = Unused().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not unfold(network, [pictures()])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_networks_with_statistics_or_without_normalisation_are_not_folded():
    network = published()
    network[1].running_mean[0] = 0.1
    assert not folded_away(network)
    assert not folded_away(nn.Linear(2, 2))
