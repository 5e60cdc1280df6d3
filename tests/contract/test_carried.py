"""Knowledge between shapes: what of a weights file meets a network, what is resized, what is new and left behind."""

import pytest
import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models import adapt_input_conv
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from regraft.backbones._channels import with_channels
from regraft.backbones._weights import carry, carry_all
from regraft.backbones.timm import Timm
from regraft.backbones.torchvision import Torchvision
from regraft.core.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore::UserWarning:timm")


def tiny(seed: int = 0, channels: int = 3) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(24, 5))


def saved(path, content):
    torch.save(content, path)
    return path


WRAPPERS = ("state_dict", "model", "model_state_dict", "model_ema", "ema", "network")


@pytest.mark.parametrize("wrapper", [None, *WRAPPERS])
@pytest.mark.parametrize("front", ["", "module.", "backbone.", "model.backbone.", "_orig_mod.module."])
def test_what_stands_around_and_before_the_names_is_found(wrapper, front, tmp_path):
    source = tiny(1).state_dict()
    tensors = {front + n: t for n, t in source.items()}
    content = tensors if wrapper is None else {wrapper: tensors, "epoch": 3, "optimizer": {"lr": torch.ones(1)}}
    network = tiny(2)
    carried = carry(network, saved(tmp_path / "w.pth", content), ("5.",))
    assert carried.prefix == front
    assert (list(carried.new), list(carried.left)) == ([], [])
    assert all(torch.equal(t, source[n]) for n, t in network.state_dict().items())


def test_averaged_weights_come_first(tmp_path):
    averaged = {n: t + 1 for n, t in tiny(1).state_dict().items()}
    file = saved(tmp_path / "w.pth", {"state_dict": tiny(1).state_dict(), "state_dict_ema": averaged})
    network = tiny()
    carry(network, file, ("5.",))
    assert torch.equal(network[0].weight, averaged["0.weight"])


def test_a_network_inside_another_takes_the_weights_of_the_bare_one(tmp_path):
    network = nn.ModuleDict({"inner": tiny()})
    carried = carry_all(network, saved(tmp_path / "w.pth", tiny(1).state_dict()), ("inner.5.",))
    assert carried.prefix == "+inner."
    assert torch.equal(network["inner"][0].weight, tiny(1)[0].weight)


def test_every_tensor_is_accounted_for(tmp_path):
    """By count and by name: kept, resized, new and left behind are the file and the network, whole."""
    network = nn.Sequential(*tiny(), nn.Linear(5, 2))
    network[1] = nn.GroupNorm(2, 6)  # nothing in the file is called so, but for two of its tensors
    del network[6]
    given = tiny(1, channels=1).state_dict() | {"projector.weight": torch.zeros(7, 2)}
    del given["1.bias"]
    network = nn.Sequential(*network[:5], *(nn.Identity() for _ in range(3)), nn.Linear(24, 5))
    given |= {"8.weight": torch.zeros(9, 24), "8.bias": torch.zeros(9)}
    big = nn.Sequential(*(nn.Linear(2, 2) for _ in range(20)))
    network.add_module("big", big)
    given |= {f"big.{n}": t for n, t in big.state_dict().items()}
    carried = carry(network, saved(tmp_path / "w.pth", given), ("8.",))
    assert list(carried.resized) == ["0.weight"]
    assert list(carried.new) == ["1.bias"]
    assert set(carried.left) == {"1.running_mean", "1.running_var", "5.weight", "5.bias", "projector.weight"}
    assert carried.classifier == {"8.weight": 216, "8.bias": 9}
    own = {n for n in network.state_dict() if not n.startswith("8.")}
    assert {*carried.kept, *carried.resized, *carried.new} == own
    parts = (carried.kept, carried.resized, carried.left, carried.classifier)
    assert {n for part in parts for n in part} == {n for n in given if not n.endswith("num_batches_tracked")}
    assert carried.sentence.startswith("43 of 44 tensors carried over (")
    for name in ("0.weight", "1.bias", "8.weight"):
        assert name in carried.sentence
    assert carried.plain["left"] == {"tensors": 5, "numbers": 151, "names": list(carried.left)}


def test_too_little_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"another architecture: 0 of 6 tensors match"):
        carry(tiny(), saved(tmp_path / "w.pth", {"weight": torch.ones(3, 3)}), ("5.",))


@pytest.mark.parametrize(("given", "wanted"), [(3, 1), (3, 3), (3, 5), (3, 6), (1, 3), (5, 3)])
def test_first_convolutions_are_adapted_as_timm_does_it(given, wanted, tmp_path):
    source, network = tiny(1, given), tiny(2, wanted)
    carried = carry(network, saved(tmp_path / "w.pth", source.state_dict()), ("5.",))
    assert torch.equal(network[0].weight, adapt_input_conv(wanted, source[0].weight.detach(), base_chans=given))
    assert list(carried.resized) == ([] if given == wanted else ["0.weight"])


def test_a_grey_picture_gives_what_it_gave_in_colour(tmp_path):
    source, network = tiny(1), tiny(2, 1)
    carry(network, saved(tmp_path / "w.pth", source.state_dict()), ("5.",))
    grey = torch.rand(2, 1, 8, 8)
    assert torch.allclose(network.eval()(grey), source.eval()(grey.expand(-1, 3, -1, -1)), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("kind", [Timm, Torchvision])
def test_networks_take_pictures_of_other_channels_and_their_files_still_fit(kind, channels, tmp_path):
    plain = kind(arch="resnet18", size=64)
    torch.manual_seed(0)
    source = plain.bare(False)
    file = saved(tmp_path / "w.pth", source.state_dict())
    network = kind(arch="resnet18", size=64, channels=channels, weights=file).build().eval()
    assert network.carried is not None
    assert list(network.carried.resized) == ["conv1.weight"]
    assert network(torch.rand(2, channels, 64, 64)).shape == (2, 512)
    own = network.state_dict()["stages.0.0.weight"]
    assert torch.equal(own, adapt_input_conv(channels, source.conv1.weight.detach()))
    if kind is Timm and channels == 5:  # timm's own way to the same network
        given = {"state_dict": source.state_dict()}
        theirs = timm.create_model("resnet18", pretrained=True, in_chans=5, pretrained_cfg_overlay=given)
        x = torch.rand(2, 5, 64, 64)
        with torch.no_grad():
            wanted = theirs.eval().forward_head(theirs.forward_features(x), pre_logits=True)
            assert torch.allclose(network(x), wanted, atol=1e-5)


def test_a_random_first_convolution_speaks_as_loudly():
    torch.manual_seed(0)
    one, other = (with_channels(nn.Sequential(nn.Conv2d(3, 256, 5)), c) for c in (3, 12))
    spread = [net(torch.randn(4, c, 9, 9)).std() for net, c in ((one, 3), (other, 12))]
    assert 0.9 < spread[1] / spread[0] < 1.1


@pytest.mark.parametrize("size", [96, 224])
def test_positions_are_resampled_as_timm_does_it(size, tmp_path):
    arch = "vit_tiny_patch16_224"
    torch.manual_seed(0)
    source = timm.create_model(arch, pretrained=False, depth=12)
    nn.init.normal_(source.pos_embed)
    file = saved(tmp_path / "w.pth", source.state_dict())
    network = Timm(arch=arch, size=size, weights=file).build().eval()
    given = {"state_dict": source.state_dict()}
    theirs = timm.create_model(arch, pretrained=True, img_size=size, pretrained_cfg_overlay=given).eval()
    x = torch.rand(1, 3, size, size)
    with torch.no_grad():
        assert torch.allclose(network(x), theirs.forward_head(theirs.forward_features(x), pre_logits=True), atol=1e-5)
    assert network.carried is not None
    assert list(network.carried.resized) == ([] if size == 224 else ["pos_embed"])
    assert not network.carried.left
    if size == 224:
        assert any(torch.equal(t, source.pos_embed) for t in network.parameters())


def vision_transformer(size: int) -> VisionTransformer:
    torch.manual_seed(0)
    network = VisionTransformer(size, 16, 1, 2, 32, 64, num_classes=7)
    nn.init.normal_(network.encoder.pos_embedding)
    return network


@pytest.mark.parametrize("size", [64, 96])
def test_torchvisions_positions_are_resampled_the_same_way(size, tmp_path):
    source, network = vision_transformer(64), vision_transformer(size)
    own = Torchvision(arch="vit_b_16", size=size)
    before = source.encoder.pos_embedding.detach()
    file = saved(tmp_path / "w.pth", source.state_dict())
    carried = carry(network, file, ("heads.head.",), own.adapted)
    side = size // 16
    assert torch.equal(network.encoder.pos_embedding, resample_abs_pos_embed(before, [side, side]))
    assert list(carried.resized) == ([] if size == 64 else ["encoder.pos_embedding"])


def test_tables_of_relative_positions_are_resized(tmp_path):
    """A Swin transformer of another window: a picture of 96 pixels leaves no room for one of 7."""
    small = {"img_size": 64, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2), "num_classes": 3}
    torch.manual_seed(0)
    source, network = (timm.models.swin_transformer.SwinTransformer(window_size=window, **small) for window in (8, 4))
    carried = carry(network, saved(tmp_path / "w.pth", source.state_dict()), ("head.",), Timm(arch="").adapted)
    assert len(carried.resized) == 2
    assert all(name.endswith("relative_position_bias_table") for name in carried.resized)
    assert not carried.new
