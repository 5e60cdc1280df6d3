"""Networks of the user's own: the code that is named is run, the weights fit whole or not at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from regraft import artifacts
from regraft.backbones._tap import classifier, without_classifier
from regraft.backbones.torch import Torch
from regraft.core.errors import UserError
from regraft.data.dataset import whole
from regraft.data.decoding import decoded
from regraft.features import forward
from regraft.readers._base import read
from regraft.runtime import Runtime
from regraft.understanding import fit_of_input

ROOT = Path(__file__).parents[2]
CODE = ROOT / "examples" / "networks" / "cifar_resnet.py"
TINY = """
from torch import nn


class Tiny(nn.Sequential):
    def __init__(self, width=6):
        super().__init__(nn.Conv2d(3, width, 3, 2), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
                         nn.Flatten(), nn.Linear(4 * width, 5))


def wide():
    return Tiny(9)


def number():
    return 3


def broken():
    raise RuntimeError("no luck")


def seeded():
    import torch

    torch.manual_seed(3)
    return Tiny()


def texts():
    return nn.Embedding(5, 5)


def fixed():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 26 * 26, 5))
"""


@pytest.fixture
def code(tmp_path) -> Path:
    (tmp_path / "own.py").write_text(TINY, encoding="utf-8")
    return tmp_path / "own.py"


@pytest.fixture
def tiny(code) -> Torch:
    """A network with its weights."""
    network = Torch(arch=f"{code}:Tiny").bare()
    torch.save({"state_dict": {f"module.{n}": t for n, t in network.state_dict().items()}}, code.parent / "w.pth")
    return Torch(arch=f"{code}:Tiny", weights=code.parent / "w.pth", size=32)


def pictures(size: int = 32, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_weights_are_carried_and_the_classifier_is_cut_off(tiny):
    network, x = tiny.bare(), pictures()
    tensors = torch.load(tiny.weights, weights_only=True)["state_dict"]
    network.load_state_dict({n.removeprefix("module."): t for n, t in tensors.items()})
    with torch.no_grad():
        assert torch.allclose(tiny.build().eval()(x), nn.Sequential(*list(network.eval())[:-1])(x), atol=1e-6)
        assert torch.allclose(tiny.recogniser().eval()(x), network(x), atol=1e-6)
    assert len(tiny.build().stages) == 1  # of one convolution
    save_file(network.state_dict(), tiny.weights.with_suffix(".safetensors"))
    other = replace(tiny, weights=tiny.weights.with_suffix(".safetensors")).build().eval()
    assert torch.equal(other(x), tiny.build().eval()(x))


def test_a_module_is_found_by_its_name(tiny, monkeypatch):
    monkeypatch.chdir(tiny.weights.parent)
    named = replace(tiny, arch="own:Tiny").build().eval()
    assert torch.equal(named(pictures()), tiny.build().eval()(pictures()))


class Named(nn.Module):
    """A classifier that is defined first and used last, followed by something, beside a linear layer inside."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self.end = end
        self.scores = nn.Linear(4, 5)
        self.conv = nn.Conv2d(3, 4, 3)
        self.gate = nn.Linear(4, 4)

    def forward(self, x):
        x = self.conv(x)
        gated = x * self.gate(x.mean((2, 3)))[:, :, None, None].sigmoid()
        if self.end == "maps":
            return gated
        scores = self.scores(gated.mean((2, 3)))
        return {"plain": scores, "log": F.log_softmax(scores, 1), "several": (scores, gated)}[self.end]


@pytest.mark.parametrize("end", ["plain", "log", "several", "maps"])
def test_the_classifier_is_the_layer_that_the_output_comes_from(end):
    """Not the last one by name, and not the gate, whose output is only a factor."""
    network, x = Named(end), pictures(8)
    assert classifier(network, x) == (None if end == "maps" else "scores")
    with torch.no_grad():
        maps = network.conv(x)
        wanted = (maps * network.gate(maps.mean((2, 3)))[:, :, None, None].sigmoid()).mean((2, 3))
        found = without_classifier(network, x)(x)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_only_sizes_that_the_network_takes_are_tried(code, tiny):
    assert {o.size for o in replace(tiny, size=64).conventions()} == {32, 64}
    assert Torch(arch=f"{code}:fixed").pictures.size == 28


def test_a_saved_model_needs_the_code_that_it_was_made_with(tiny, kept, tmp_path):
    assert kept(tiny.build(), tiny, lambda _: pictures()).preprocess == tiny.preprocess
    code = tmp_path / "own.py"
    code.write_text(TINY + "\n# another version\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"was changed after the model was saved"):
        artifacts.load(tmp_path / "kept")
    code.unlink()
    with pytest.raises(UserError, match=r"there is no file .* with the network's code"):
        artifacts.load(tmp_path / "kept")


def test_code_that_comes_with_a_model_is_not_run(tiny, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "evil.py").write_text("raise SystemExit('run')", encoding="utf-8")
    kept = replace(tiny, arch=f"{tmp_path}/model/evil.py:Net").keep(tmp_path / "model")
    with pytest.raises(UserError, match=r"wants to run code"):
        kept.found(tmp_path / "model")


BAD = {
    "Tiny": ("own.py:Tiny", {}, None),
    "no such name": ("own.py:Tony", {}, "has no class or function 'Tony'; it has Tiny, wide"),
    "no name": ("own.py", {}, "names no network; write torch:FILE.py:NAME@WEIGHTS"),
    "no file": ("none.py:Tiny", {}, "there is no file .* with the network's code"),
    "no module": ("nowhere.at_all:Tiny", {}, "there is no module 'nowhere.at_all'"),
    "no Python": ("text.py:Tiny", {}, "cannot be imported .SyntaxError"),
    "not a network": ("own.py:number", {}, "gives a int; it must give a torch.nn.Module"),
    "raises": ("own.py:broken", {}, "called without arguments fails .RuntimeError: no luck.; name a function"),
    "seeded": ("own.py:seeded", {}, "gives the same weights at every call"),
    "no pictures": ("own.py:texts", {}, "does not take pictures of shape"),
    "wider": (
        "own.py:wide",
        {},
        r"0 of 6 tensors match, '0.weight' is \(9, 3, 3, 3\) in the network and \(6, 3, 3, 3\)",
    ),
    "no weights": ("own.py:Tiny", {"weights": None}, "has no weights; name a file"),
}


@pytest.mark.parametrize("case", BAD)
def test_each_mistake_is_one_sentence(case, tiny, tmp_path):
    arch, changes, message = BAD[case]
    (tmp_path / "text.py").write_text("once upon a time", encoding="utf-8")
    backbone = replace(tiny, arch=arch if case == "no module" else str(tmp_path / arch), **changes)
    if message is None:
        assert backbone.build().feature_dim == 24
        return
    with pytest.raises(UserError, match=message) as caught:
        backbone.build()
    assert "\n" not in str(caught.value)


def test_weights_that_are_left_over_are_another_architectures(tiny):
    tensors = torch.load(tiny.weights, weights_only=True)["state_dict"]
    torch.save({**tensors, "module.deeper.weight": torch.ones(3)}, tiny.weights)
    with pytest.raises(UserError, match=r"6 of 6 tensors match, the file has 'deeper.weight', which the network lacks"):
        tiny.build()


@pytest.mark.shared
def test_a_published_network_is_as_good_as_published(real):
    """ResNet-20 on 1,000 recompressed test pictures of CIFAR-10; 81 % was measured on 3,000 of them elsewhere."""
    folder = real / "cifar_resnets"
    own = Torch(arch=f"{CODE}:resnet20", weights=folder / "resnet20-12fca82f.th", size=64)
    examples = read(real / "unclear-licence" / "cifar10_test_jpeg_1000")
    fits, right = {}, {}
    for option in own.conventions():
        data = whole(examples, decoded(examples, option.preprocess, None))
        fits[option] = fit_of_input(option, data.take(np.arange(0, len(data), 10)), _Bench())
        if option.size == 32:
            scores = forward(option.recogniser(), data, option.preprocess, Runtime())
            right[option] = float((scores.argmax(1) == data.labels).mean())
    best = max(fits, key=fits.get)
    assert (best.size, best.normalise) == (32, "imagenet")
    assert right[best] == pytest.approx(0.81, abs=0.02)
    for arch, weights in (("resnet20", "resnet56-4bfd9763.th"), ("resnet56", "resnet20-12fca82f.th")):
        with pytest.raises(UserError, match=r"another architecture: 95 of (95|275) tensors match"):
            Torch(arch=f"{CODE}:{arch}", weights=folder / weights, size=32).build()


class _Bench:
    """What measuring needs."""

    runtime, cache = Runtime(), None
