"""Folded batch normalisation computes the same; what did not change comes back bit for bit."""

from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import nn

from regraft.folding import folded
from regraft.preprocessing.images import Images

SIZE = 64


def used(build: Callable[[], nn.Module]) -> nn.Module:
    """A network whose batch normalisation has seen data, in evaluation mode."""
    torch.manual_seed(0)
    network = build()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    with torch.no_grad():
        network.train()(torch.randn(8, 3, SIZE, SIZE))
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def outputs(network: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return network(torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)))


class Twice(nn.Module):
    """What the convolution puts out is also used unnormalised, so nothing can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return (self.norm(x) + x).mean((2, 3))


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda: torchvision.models.mobilenet_v2(), 0),
        (lambda: torchvision.models.resnet18(), 0),
        (lambda: timm.create_model("mobilenetv3_small_050"), 0),  # its layers hold activations
        (Twice, 1),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=True), nn.BatchNorm2d(4), nn.Flatten()), 0),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.Flatten()), 1),
        (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.Flatten()), 1),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), 0),
    ],
)
def test_the_same_function_and_nothing_changes(build, left):
    network = used(build)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    wanted = outputs(network)
    with folded(network, Images(size=SIZE).sample(2)):
        assert norms(network) == left
        torch.testing.assert_close(outputs(network), wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max().item())
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("bias", [True, False])
def test_what_was_learned_inside_holds_outside(bias):
    network = used(lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()))
    names = list(network.state_dict())
    with folded(network, Images(size=SIZE).sample(2)):
        optimizer = torch.optim.SGD(network.parameters(), 0.1)
        network(torch.randn(8, 3, SIZE, SIZE)).square().mean().backward()
        optimizer.step()
        learned = outputs(network)
    torch.testing.assert_close(outputs(network), learned, rtol=1e-4, atol=1e-5)
    assert list(network.state_dict()) == names


def test_layers_that_use_the_batch_stay():
    network = used(torchvision.models.resnet18).train()
    with folded(network, Images(size=SIZE).sample(2)):
        assert norms(network) == 20
    assert all(m.training for m in network.modules())


def test_a_channel_that_is_switched_off_keeps_its_layer():
    network = used(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()))
    with torch.no_grad():
        network[1].weight[0] = 0.0
    with folded(network, Images(size=SIZE).sample(2)):
        assert norms(network) == 1


def test_a_layer_that_learns_alone_stays():
    network = used(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()))
    network[0].requires_grad_(False)
    with folded(network, Images(size=SIZE).sample(2)):
        assert norms(network) == 1
