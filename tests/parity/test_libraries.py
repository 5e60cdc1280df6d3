"""Features of foreign networks against what their own libraries give, from weights files in the libraries' form."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import nn

from regraft.backbones.timm import Timm
from regraft.backbones.torch import Torch
from regraft.backbones.torchvision import Torchvision

CIFAR = Path(__file__).parents[2] / "examples" / "networks" / "cifar_resnet.py"
OF_TORCHVISION = [  # architecture, pixels, stages
    ("resnet18", 64, 9), ("mobilenet_v3_small", 64, 14), ("efficientnet_b0", 64, 18), ("vgg16", 64, 13),
    ("inception_v3", 139, 16), ("mobilenet_v2", 96, 19),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        ("resnet50", 96, 17), ("mobilenet_v3_large", 96, 17), ("efficientnet_b3", 96, 28), ("vit_b_16", 224, 1),
        ("convnext_tiny", 96, 8), ("googlenet", 96, 12), ("densenet121", 96, 8), ("swin_t", 96, 1),
    )),
]  # fmt: skip
OF_TIMM = [
    ("resnet18", 64), ("mobilenetv3_small_050", 64),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        ("efficientnet_b0", 96), ("convnext_atto", 96), ("swin_tiny_patch4_window7_224", 224),
        ("vit_tiny_patch16_224", 224), ("resnetv2_50", 96),
        ("deit_tiny_distilled_patch16_224", 224), ("inception_v3", 139), ("vgg11_bn", 64),
    )),
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore::UserWarning:timm")


def pictures(size: int) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def into_last_linear(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What goes into the linear layer that a forward pass reaches last."""
    seen: list[torch.Tensor] = []
    for layer in (m for m in network.modules() if isinstance(m, nn.Linear)):
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.eval()(x)
    return seen[-1]


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    near = 1e-5 * float(wanted.abs().max())
    return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-4, atol=near)


@pytest.mark.parametrize(("arch", "size", "stages"), OF_TORCHVISION)
def test_torchvision(arch, size, stages, tmp_path):
    torch.manual_seed(0)
    given = {"init_weights": True} if arch in ("inception_v3", "googlenet") else {}
    library = torchvision.models.get_model(arch, weights=None, **given)
    torch.save(library.state_dict(), tmp_path / "w.pth")
    network = Torchvision(arch=arch, size=size, weights=tmp_path / "w.pth").build().eval()
    with torch.no_grad():
        assert close(network(pictures(size)), into_last_linear(library, pictures(size)))
    assert len(network.stages) >= stages
    assert network.carried is not None
    assert not network.carried.new
    assert not network.carried.left
    assert network.carried.recognises
    sides = {name.partition(".")[0] for name in network.carried.classifier} & {"AuxLogits", "aux1", "aux2"}
    assert sides == {"inception_v3": {"AuxLogits"}, "googlenet": {"aux1", "aux2"}}.get(arch, set())


@pytest.mark.parametrize(("arch", "size"), OF_TIMM)
def test_timm(arch, size, tmp_path):
    torch.manual_seed(0)
    library = timm.create_model(arch, pretrained=False).eval()
    torch.save({"state_dict": library.state_dict()}, tmp_path / "w.pth")
    network = Timm(arch=arch, size=size, weights=tmp_path / "w.pth").build().eval()
    with torch.no_grad():
        wanted = library.forward_head(library.forward_features(pictures(size)), pre_logits=True)
        assert close(network(pictures(size)), wanted)
    assert network.carried is not None
    assert not network.carried.new
    assert not network.carried.left


def test_a_network_of_the_users_own(tmp_path):
    own = Torch(arch=f"{CIFAR}:resnet20", size=32, weights=tmp_path / "w.th")
    library = own.bare()
    for norm in (m for m in library.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_var, 0.5, 2)
    torch.save({"state_dict": {f"module.{n}": t for n, t in library.state_dict().items()}}, own.weights)
    with torch.no_grad():
        assert close(own.build().eval()(pictures(32)), into_last_linear(library, pictures(32)))


def test_inception_takes_299_pixels_and_its_own_normalisation():
    """The library turns ImageNet's normalisation into inputs from -1 to 1 inside; here that is said outside."""
    (backbone,) = Torchvision(arch="inception_v3").conventions()
    assert backbone.preprocess.size == 299
    pixels = torch.randint(0, 256, (1, 4, 4, 3), dtype=torch.uint8)
    ours = backbone.preprocess.tensor(pixels.numpy())
    library = torchvision.models.Inception_V3_Weights.DEFAULT.transforms()
    x = torchvision.transforms.functional.normalize(pixels.permute(0, 3, 1, 2) / 255, library.mean, library.std)
    inside = torchvision.models.Inception3._transform_input(type("Asked", (), {"transform_input": True})(), x)
    assert torch.allclose(ours, inside, atol=1e-5)


@pytest.mark.parametrize(("arch", "named"), [("vit_base_patch16_224", "half"), ("resnet18", "imagenet")])
def test_timms_own_weights_get_their_own_normalisation(arch, named):
    (backbone,) = Timm(arch=arch).conventions()
    config = timm.get_pretrained_cfg(arch)
    assert backbone.normalise == named
    assert backbone.preprocess.mean == pytest.approx(config.mean)
    assert backbone.preprocess.std == pytest.approx(config.std)
