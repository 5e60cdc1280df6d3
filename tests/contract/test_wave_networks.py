"""Laws of the user's networks that take waveforms: found out by trying, at the rate that the user states."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from regraft.backbones.torch import Torch
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.opening import backbone_for
from regraft.preprocessing.waveform import Waveform
from regraft.readers._base import read
from regraft.sources import check
from regraft.understanding import likelihood

soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")
NETWORKS = Path(__file__).parents[2] / "examples/networks"
CODE = """
from torch import nn


def plain():
    return nn.Sequential(nn.Unflatten(1, (1, -1)), *channelled())


def channelled():
    return nn.Sequential(nn.Conv1d(1, 4, 80, 40), nn.ReLU(), nn.AdaptiveAvgPool1d(2), nn.Flatten(), nn.Linear(8, 3))


def spectral():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def seeing():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""


@pytest.fixture
def recordings(tmp_path) -> Examples:
    rng, paths = np.random.default_rng(0), tuple(tmp_path / f"{i}.wav" for i in range(3))
    for path in paths:
        soundfile.write(path, rng.uniform(-0.5, 0.5, 3000), 8000)
    ids = tuple(p.name for p in paths)
    return Examples(ids, ids, paths, np.arange(3) % 2, ("a", "b"), kind="audio")


@pytest.fixture
def code(tmp_path) -> Path:
    (tmp_path / "own.py").write_text(CODE, encoding="utf-8")
    return tmp_path / "own.py"


def weighted(code: Path, name: str) -> str:
    """A source with random weights of its own."""
    torch.manual_seed(0)
    torch.save(Torch(arch=f"{code}:{name}").bare().state_dict(), code.parent / "w.pth")
    return f"torch:{code}:{name}@{code.parent / 'w.pth'}"


@pytest.mark.parametrize("name", ["plain", "channelled"])
def test_a_network_of_waveforms_gets_them_at_its_rate(name, code, recordings, kept, tmp_path):
    uri = weighted(code, name) + "?rate=4000"
    check(uri)
    backbone = backbone_for(uri, recordings)
    assert backbone.preprocess == backbone.hears == Waveform(rate=4000, seconds=0.4)
    assert backbone_for(uri + "&seconds=1", recordings).preprocess == Waveform(rate=4000, seconds=1.0)
    assert backbone.conventions() == (backbone,)
    assert entry("backbones", to_plain(backbone)) == backbone
    network, x = backbone.build().eval(), backbone.preprocess.sample(3)
    bare = backbone.bare()
    bare.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))
    with torch.no_grad():
        wanted = bare[:-1](x.unsqueeze(1) if name == "channelled" else x)
        assert torch.allclose(network(x), wanted, atol=1e-6)
    kept(network, backbone, lambda its: its.preprocess.sample(3))


def test_a_rate_that_nobody_stated_is_asked_for(code, recordings):
    with pytest.raises(UserError, match=r"takes waveforms, and nothing says at how many .* \?rate=16000"):
        backbone_for(weighted(code, "plain"), recordings)


def test_a_network_of_pictures_sees_spectrograms_and_one_of_spectrograms_is_told_to_make_them(code, recordings):
    backbone = backbone_for(weighted(code, "seeing"), recordings)
    assert (backbone.preprocess, backbone.pictures.size) == (Waveform(rate=8000, seconds=0.4), 96)
    assert backbone.build()(backbone.preprocess.sample(2)).shape == (2, 4)
    assert len(backbone.conventions()) > 1
    with pytest.raises(UserError, match="one that takes spectrograms must make them in its first layer"):
        backbone_for(weighted(code, "spectral"), recordings)


def test_options_in_a_name_are_checked(code, recordings):
    uri = weighted(code, "plain")
    with pytest.raises(UserError, match=r"'rte'.*did you mean 'rate'"):
        backbone_for(uri + "?rte=16000", recordings)
    with pytest.raises(UserError, match=r"option 'rate' of backbones/torch: must be a whole number, got 'fast'"):
        backbone_for(uri + "?rate=fast", recordings)
    pictures = replace(recordings, kind="image")
    with pytest.raises(UserError, match="torch networks take recordings, but these are pictures"):
        backbone_for(uri + "?rate=8000", pictures)


@pytest.mark.parametrize("shape", [("n", "t"), (1, 1600), ("n", 1, 1600)])
def test_an_onnx_model_of_waveforms(shape, recordings, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    axes = [len(shape) - 1]
    value = [onnx.helper.make_tensor_value_info(n, 1, s) for n, s in (("x", shape), ("y", ("a", "b")))]
    nodes = [onnx.helper.make_node("ReduceMax", ["x"], ["top"], axes=axes, keepdims=len(shape) == 2)]
    nodes.append(onnx.helper.make_node("Concat", ["top", "top"], ["y"], axis=1))
    graph = onnx.helper.make_graph(nodes, "loudest", value[:1], value[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(UserError, match=r"\?rate=16000"):
        backbone_for(f"onnx:{tmp_path / 'm.onnx'}", recordings)
    backbone = backbone_for(f"onnx:{tmp_path / 'm.onnx'}?rate=8000", recordings)
    assert backbone.preprocess.length == (3200 if shape == ("n", "t") else 1600)
    x = backbone.preprocess.sample(3)
    assert torch.allclose(backbone.build()(x), x.amax(1, keepdim=True).expand(3, 2))
    again = backbone.keep(tmp_path / "..").found(tmp_path / "..")
    assert torch.equal(again.build()(x), backbone.build()(x))
    with pytest.raises(UserError, match="onnx networks take recordings, but these are pictures"):
        backbone_for(f"onnx:{tmp_path / 'm.onnx'}?rate=8000", replace(recordings, kind="image"))


def digits(real: Path) -> Examples:
    """Every thirtieth of the spoken digits, 100 of six speakers."""
    found = read(real / "fsdd/recordings", labelled=False)
    found = found.take(np.arange(0, 3000, 30))
    names = [Path(p).name for p in found.items]
    return replace(found, labels=np.array([int(n[0]) for n in names]), classes=tuple("0123456789"))


def test_the_example_of_spoken_words_recognises_digits_that_it_never_heard(real):
    """0.89 over 35 words and 600 of these recordings by an independent implementation."""
    examples, weights = digits(real), real / "bcresnet_speech_commands/model-sc-2.pt"
    backbone = backbone_for(f"torch:{NETWORKS / 'bcresnet.py'}:BCResNet@{weights}?rate=16000&seconds=1", examples)
    head = torch.load(weights, map_location="cpu", weights_only=True)
    network = backbone.build().eval()
    assert len(network.stages) >= 15
    with torch.no_grad():
        features = network(backbone.preprocess.tensor(backbone.preprocess.decode(examples.items)))
        scores = features @ head["head_conv.weight"].flatten(1).T + head["head_conv.bias"]
    words = (34, 21, 29, 27, 10, 7, 25, 23, 6, 17)  # zero to nine, among 35 in alphabetical order
    assert np.mean(np.array(words)[examples.labels] == scores.argmax(1).numpy()) > 0.84


def test_the_example_of_two_files_in_one_tells_spoken_digits_apart(real, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    sys.path.append(str(NETWORKS))
    import speech_embedding

    parts = [onnx.load(real / "speech_embedding_onnx" / f) for f in ("melspectrogram.onnx", "embedding_model.onnx")]
    onnx.save(speech_embedding.joined(*parts), tmp_path / "m.onnx")
    examples = digits(real)
    backbone = backbone_for(f"onnx:{tmp_path / 'm.onnx'}?rate=16000", examples)
    assert backbone.preprocess == Waveform(rate=16000, seconds=1.0)
    features = backbone.build()(backbone.preprocess.tensor(backbone.preprocess.decode(examples.items)))
    assert features.shape == (100, 96)
    assert likelihood(features.numpy(), examples.labels) > -0.7  # by chance: -2.3
