"""Laws of backbones: the stages are the library's network, and weights files are read without running them."""

import pickle
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from regraft.backbones._base import Network
from regraft.backbones._weights import CONVENTIONS, carry, pad_same, read
from regraft.backbones.keras import Keras
from regraft.backbones.small import Small
from regraft.backbones.timm import Timm
from regraft.backbones.torch import Torch
from regraft.backbones.torchvision import Torchvision
from regraft.core import catalog
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.model import Model, blocks
from regraft.preprocessing._columns import Column
from regraft.preprocessing.columns import Columns
from regraft.preprocessing.waveform import Waveform
from regraft.readers._base import read as read_examples

CUT = [  # networks that are a chain of stages, and how many there must be at least
    (Torchvision(arch="resnet18", size=64), 9),
    (Torchvision(arch="mobilenet_v2", size=64), 19),
    (Torchvision(arch="mobilenet_v3_small", size=64), 14),
    (Torchvision(arch="squeezenet1_1", size=64), 9),
    (Torchvision(arch="shufflenet_v2_x0_5", size=64), 18),
    (Torchvision(arch="mnasnet0_5", size=64), 19),
    (Torchvision(arch="googlenet", size=64), 12),
    (Timm(arch="resnet18", size=64), 9),
    (Timm(arch="mobilenetv2_100", size=64), 19),
    (Timm(arch="convnext_atto", size=64), 5),
    (Timm(arch="regnety_002", size=64), 5),
]
ROOT = Path(__file__).parents[2]
OWN = Torch(arch=f"{ROOT / 'examples/networks/cifar_resnet.py'}:resnet20", size=32)
WHOLE = [(Timm(arch="vit_tiny_patch16_224", size=224), 1), (OWN, 1)]
FOREIGN = CUT + WHOLE
HEARS = Waveform(rate=8000, seconds=0.4)
HEARING = [
    Torchvision(arch="mobilenet_v2", size=64, hears=HEARS),
    Timm(arch="resnet18", size=64, hears=HEARS),
    Timm(arch="vit_tiny_patch16_224", size=224, hears=HEARS),
    Small(arch="conv", size=32, hears=HEARS),
    replace(OWN, hears=HEARS),
]
KERAS = (
    [] if find_spec("keras") is None else [Keras(arch=str(Path(__file__).parent / "files/small_keras.json"), size=16)]
)
HEARING += [replace(k, hears=HEARS) for k in KERAS]
ROWS = Columns(columns=(Column(name="x", kind="number", centre=(0.0,), spread=(1.0,)),) * 7)
TABULAR = Small(arch="mlp", table=ROWS)
EVERY = [*(b for b, _ in FOREIGN), Small(size=8), Small(size=16), Small(size=64), *HEARING, *KERAS]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore::UserWarning:timm")


def name(value) -> str:
    if not hasattr(value, "arch"):
        return str(value)
    return f"{type(value).__name__}-{value.arch}-{value.size}{'-hears' if value.hears else ''}"


@cache
def made(backbone) -> Network:
    torch.manual_seed(0)
    return backbone.build(pretrained=False)


@cache
def own(backbone) -> nn.Module:
    """The library's network with the same random weights."""
    torch.manual_seed(0)
    bare = backbone.bare() if isinstance(backbone, Torch) else backbone.bare(False)
    return backbone.without_classifier(bare)


def pictures(size: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def inputs(backbone, count: int = 2) -> torch.Tensor:
    made_up = backbone.hears or backbone == TABULAR
    return backbone.preprocess.sample(count) if made_up else pictures(backbone.size, count)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("backbone", "stages"), FOREIGN, ids=name)
def test_the_chain_of_stages_is_the_librarys_network(backbone, stages, training):
    """In training too: batch statistics and dropout come at the same places."""
    found = []
    for network in (made(backbone), own(backbone)):
        torch.manual_seed(2)
        with torch.no_grad():
            found.append(network.train(training)(pictures(backbone.size)))
    assert len(made(backbone).stages) >= stages
    assert found[0].shape == (2, made(backbone).feature_dim)
    assert (found[0] - found[1]).abs().max() < 1e-5


@pytest.mark.parametrize("backbone", [*EVERY, TABULAR], ids=name)
def test_stages_compose(backbone):
    network = made(backbone).eval()
    x = inputs(backbone)
    with torch.no_grad():
        whole = network(x)
        for cut in {0, 1, len(network.stages) // 2, len(network.stages)}:
            assert torch.equal(network(network(x, 0, cut), cut), whole)


@pytest.mark.parametrize("backbone", [*EVERY, TABULAR], ids=name)
def test_blocks_hold_each_parameter_once_in_depth_order(backbone):
    network = made(backbone)
    model = Model(network, nn.Linear(network.feature_dim, 3), ("a", "b", "c"))
    grouped = [id(p) for group in model.depth_groups() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    held = [id(p) for block in blocks(network) for p in block.parameters()]
    loose = {id(p) for p in network.parameters()} - set(held)
    assert len(held) == len(set(held))
    assert len(loose) <= (2 if network.inner_blocks else 0)  # a transformer's position and class tokens
    order = [id(p) for p in network.parameters() if id(p) not in loose]
    assert held == order


@pytest.mark.parametrize("backbone", [*EVERY, TABULAR], ids=name)
def test_every_parameter_gets_a_gradient(backbone):
    network = made(backbone).train()
    network.zero_grad()
    network(inputs(backbone, 4)).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("backbone", EVERY, ids=name)
def test_options_round_trip_and_the_size_is_the_preprocessings(backbone):
    assert entry("backbones", to_plain(backbone)) == backbone
    if backbone.hears:
        assert backbone.preprocess == backbone.hears
    else:
        assert backbone.preprocess.size == backbone.size


@pytest.mark.parametrize("backbone", HEARING, ids=name)
def test_a_network_that_hears_is_the_network_of_pictures_behind_a_spectrogram(backbone):
    """With the same weights under the same names, one stage later; and no statistic of it is learned."""
    heard, seen = (made.__wrapped__(b) for b in (backbone, replace(backbone, hears=None)))  # whose statistics are new
    assert list(heard.stages[0].parameters()) == []
    assert heard.stages[0].state_dict() == {}
    assert [v.shape for v in heard.state_dict().values()] == [v.shape for v in seen.state_dict().values()]
    x = inputs(backbone)
    with torch.no_grad():
        shown = heard.stages[0](x)
        assert shown.shape == (2, 3, backbone.size, backbone.size)
        assert torch.allclose(heard.eval()(x), seen.eval()(shown), atol=1e-5)


@pytest.mark.parametrize("kind", [Torchvision, Timm])
def test_an_unknown_architecture_is_an_error_with_the_nearest_name(kind):
    with pytest.raises(UserError, match=r"did you mean 'resnet1?8"):
        kind(arch="resnet1", size=64).build(pretrained=False)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("side", [1, 2, 11, 12])
def test_same_padding_against_a_slow_reference(kernel, groups, side):
    """TensorFlow's rule: the output is the input over the stride, and the odd pixel of padding goes right and below."""
    network = nn.Sequential(nn.Conv2d(4, 8, kernel, 2, kernel // 2, groups=groups), nn.ReLU(), nn.Conv2d(8, 2, 3, 1, 1))
    strided, _, plain = network
    x, half = torch.randn(2, 4, side, side), (side + 1) // 2
    total = (half - 1) * 2 + kernel - side
    padded = torch.zeros(2, 4, side + total, side + total)
    padded[:, :, total // 2 : total // 2 + side, total // 2 : total // 2 + side] = x
    maps = F.conv2d(padded, strided.weight, strided.bias, stride=2, groups=groups).relu()
    wanted = F.conv2d(maps, plain.weight, plain.bias, padding=1)
    pad_same(network)
    found = network(x)
    assert found.shape == wanted.shape == (2, 2, half, half)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_what_does_not_pad_does_not_under_another_convention_and_pictures_are_large_enough(tmp_path):
    """Inception's strided convolutions are without padding, and on 64 pixels its last maps would vanish."""
    file = tmp_path / "w.pth"
    torch.save(Torchvision(arch="inception_v3").bare(False).state_dict(), file)
    np.savez(tmp_path / "small.npz", x=np.arange(4 * 16 * 16, dtype=np.uint8).reshape(4, 16, 16), y=[0, 1, 0, 1])
    suited = Torchvision(arch="inception_v3", weights=file).suited(read_examples(tmp_path / "small.npz"))
    assert suited.preprocess.size == 96
    with torch.no_grad():
        found = [replace(suited, padding=p).build().eval()(pictures(96)) for p in ("symmetric", "same")]
    assert torch.equal(*found)
    with pytest.raises(UserError, match="inception_v3 takes no pictures of 64 x 64 pixels; give it a larger size"):
        replace(suited, size=64).build()


def test_same_padding_leaves_the_weights_names_to_the_file(tmp_path):
    """Padding is set after the weights are carried, so a file fits either way."""
    arch, file = "mobilenetv2_100", tmp_path / "w.pth"
    torch.save(Timm(arch=arch, size=64).bare(False).state_dict(), file)
    one, two = (Timm(arch=arch, size=64, weights=file, padding=p) for p in ("symmetric", "same"))
    x = pictures(64)
    with torch.no_grad():
        a, b = one.build().eval()(x), two.build().eval()(x)
    assert a.shape == b.shape
    assert not torch.allclose(a, b)


def test_a_weights_file_may_follow_any_convention_and_a_hub_only_its_own(tmp_path):
    local = Torchvision(arch="resnet18", weights=tmp_path / "w.pth").conventions()
    assert len(set(local)) == 2 * len(CONVENTIONS)
    assert local[0] == Torchvision(arch="resnet18", weights=tmp_path / "w.pth")
    hub = Torchvision(arch="resnet18")
    assert hub.conventions() == (hub,)


def test_from_scratch_a_network_is_the_same_whatever_weights_it_came_with():
    """Two files for one architecture are one baseline; another architecture, size or input is another."""
    for kind, arch, other in (
        (Timm, "resnet18", "resnet34"),
        (Torchvision, "resnet18", "vgg11"),
        (Torch, "a:b", "a:c"),
    ):
        one = kind(arch=arch, weights=Path("one.pth"), size=64).untrained
        assert one == kind(arch=arch, weights=Path("two.pth"), size=64, normalise="half").untrained
        assert one != kind(arch=other, weights=Path("one.pth"), size=64).untrained
        assert one != kind(arch=arch, weights=Path("one.pth"), size=96).untrained
    for backbone in (Keras(arch="one.keras"), Small(arch="conv")):
        assert backbone.untrained == backbone  # the architecture is in the file, or there is no file


def tiny(seed: int = 0, width: int = 6) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten())
    network.append(nn.Linear(width * 36, 10))
    return network


def write(path: Path, content: object, old: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def wrapped(tensors: dict) -> dict:
    return {"state_dict": tensors, "epoch": 7, "best_acc1": 0.5}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".th"])
@pytest.mark.parametrize("form", ["plain", "state_dict", "data_parallel", "old"])
def test_weights_come_in_many_forms(form, suffix, tmp_path):
    source, network = tiny(1), tiny(2)
    tensors = dict(source.state_dict())
    content = {
        "plain": tensors, "old": tensors, "state_dict": wrapped(tensors),
        "data_parallel": wrapped({f"module.{k}": v for k, v in tensors.items()}),
    }[form]  # fmt: skip
    carried = carry(network, write(tmp_path / f"w{suffix}", content, form == "old"), ("4.",))
    assert (list(carried.new), list(carried.left), list(carried.resized)) == ([], [], [])
    assert carried.recognises
    assert carried.prefix == ("module." if form == "data_parallel" else "")
    x = pictures(8)
    assert torch.equal(network.eval()(x), source.eval()(x))


def test_safetensors_are_read(tmp_path):
    save_file(tiny(1).state_dict(), tmp_path / "w.safetensors")
    assert read(tmp_path / "w.safetensors").keys() == tiny().state_dict().keys()


def test_a_classifier_for_other_classes_is_left_behind(tmp_path):
    source = tiny(1)
    source[4] = nn.Linear(216, 1000)
    network = tiny(2)
    before = network[4].weight.clone()
    carried = carry(network, write(tmp_path / "w.pth", source.state_dict()), ("4.",))
    assert carried.classifier == {"4.weight": 216_000, "4.bias": 1000}
    assert not carried.recognises
    assert torch.equal(network[4].weight, before)
    assert torch.equal(network[0].weight, source[0].weight)


def test_another_architecture_is_an_error_that_says_what_matched(tmp_path):
    network = tiny()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    file = write(tmp_path / "w.pth", tiny(width=7).state_dict())
    with pytest.raises(UserError, match=r"another architecture: 0 of 6 tensors match, the network lacks '0\.weight'"):
        carry(network, file, ("4.",))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".th", ".safetensors"])
@pytest.mark.parametrize("form", ["zip", "old", "raw"])
def test_code_in_a_file_is_not_run(form, suffix, forged, tmp_path):
    sentinel, file = tmp_path / "executed", tmp_path / f"w{suffix}"
    tensors = {"weight": torch.ones(2), "extra": forged(sentinel)}
    if form == "raw":
        file.write_bytes(pickle.dumps(tensors))
    else:
        write(file, tensors, form == "old")
    with pytest.raises(UserError, match="is not a whole safe" if suffix == ".safetensors" else "could run code"):
        read(file)
    assert not sentinel.exists()
    pickle.loads(pickle.dumps(forged(sentinel)))  # the forgery would work
    assert sentinel.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("form", ["new", "old", "safetensors"])
def test_a_truncated_file_is_an_error(form, share, tmp_path):
    file = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    tensors = {"a": torch.ones(200, 200), "b": torch.ones(300)}
    if form == "safetensors":
        save_file(tensors, file)
    else:
        write(file, tensors, form == "old")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="is not a whole"):
        read(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<!DOCTYPE html><html>404</html>", "is not a PyTorch weights file"), (b"PK\x03\x04 but no zip", "not a whole")],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".th", ".safetensors"])
def test_something_else_is_an_error(content, message, suffix, tmp_path):
    (tmp_path / f"w{suffix}").write_bytes(content)
    with pytest.raises(UserError, match="is not a whole safe" if suffix == ".safetensors" else message):
        read(tmp_path / f"w{suffix}")


def test_missing_files_and_files_without_tensors_are_errors(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read(tmp_path / "none.pth")
    with pytest.raises(UserError, match="no named tensors"):
        read(write(tmp_path / "w.pth", {"epoch": 3}))
    with pytest.raises(UserError, match="no named tensors"):
        read(write(tmp_path / "list.pth", [torch.ones(2)]))


def test_every_backbone_is_tested_here():
    """ONNX models, which have no parameters, have laws of their own, and so do networks of text."""
    names = {"small", "timm", "torchvision", "torch", *(("keras",) if KERAS else ())}
    assert {type(b) for b in EVERY} == {catalog.find("backbones", n) for n in names}
