"""Keras models: the numbers are Keras's own, the variables are torch's, and nothing that a file names is run."""

import json
import pickle
import sys
import zipfile
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from regraft.backbones._facts import facts
from regraft.backbones._keras_file import library
from regraft.backbones._keras_net import KerasNet
from regraft.backbones._weights import ALL_CONVENTIONS
from regraft.backbones.keras import Keras
from regraft.core.config import entry, to_plain
from regraft.core.errors import CandidateError, UserError
from regraft.edits.freeze import Freeze
from regraft.edits.lora import Lora
from regraft.model import Model, blocks, untracked
from regraft.readers._base import read

needs_keras = pytest.mark.skipif(find_spec("keras") is None, reason="needs the extra 'keras'")
DESCRIBED = Path(__file__).parent / "files" / "small_keras.json"
PUBLISHED = {  # the layer whose output goes into the classifier
    "fer2013_mini_XCEPTION.102-0.66.hdf5": -4,
    "mlperf_tiny_resnet8_cifar10.h5": -2,
    "mlperf_tiny_vww_mobilenetv1_96.h5": -2,
}


def small():
    """A new Keras model, with weights and statistics that are not those of a start."""
    keras = library()
    model = keras.models.model_from_json(DESCRIBED.read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(0.3, 0.3, w.shape)).astype("float32") for w in model.get_weights()])
    return model


@pytest.fixture
def saved(tmp_path) -> Keras:
    """A small model in a file."""
    small().save(tmp_path / "small.keras")
    return Keras(arch=str(tmp_path / "small.keras"), size=16)


def pictures(size: int = 16, count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def features_of(model, layer: int, x: torch.Tensor) -> np.ndarray:
    """Keras's own forward pass up to the layer, maps averaged."""
    inside = library().Model(model.inputs, model.layers[layer].output)
    given = x.permute(0, 2, 3, 1).numpy()
    if model.inputs[0].shape[3] == 1:
        given = given.mean(3, keepdims=True)
    found = np.asarray(inside.predict(given, verbose=0))
    return found.mean((1, 2)) if found.ndim == 4 else found


@needs_keras
@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_features_are_kerass_own(suffix, tmp_path):
    model, x = small(), pictures()
    model.save(tmp_path / f"small.{suffix}")
    backbone = Keras(arch=str(tmp_path / f"small.{suffix}"), size=16)
    with torch.no_grad():
        found = backbone.build().eval()(x).numpy()
    wanted = features_of(model, -3, x)
    assert found.shape == (4, 12)
    assert np.abs(found - wanted).max() < 1e-4
    scores = backbone.recogniser().eval()(x).softmax(1).detach().numpy()
    assert np.abs(scores - model.predict(x.permute(0, 2, 3, 1).numpy(), verbose=0)).max() < 1e-4
    blue_first = replace(backbone, normalise="caffe").build().eval()
    assert np.abs(blue_first(x.flip(1)).detach().numpy() - wanted).max() < 1e-4


@needs_keras
@pytest.mark.shared
@pytest.mark.parametrize("name", PUBLISHED)
def test_features_of_published_models_are_kerass_own_and_are_tuned_and_kept(name, kept, real):
    """One has an option that Keras 3 refuses; one takes grey pictures, and its classifier is a convolution."""
    keras, backbone = library(), Keras(arch=str(real / "keras_h5" / name))
    backbone = replace(backbone, size=backbone.preprocess.size)

    class Depthwise(keras.layers.DepthwiseConv2D):
        def __init__(self, groups=None, **options):
            super().__init__(**options)

    custom = {"DepthwiseConv2D": Depthwise}
    model = keras.models.load_model(real / "keras_h5" / name, compile=False, custom_objects=custom)
    x = pictures(backbone.preprocess.size)
    network = backbone.build()
    with torch.no_grad():
        assert np.abs(network.eval()(x).numpy() - features_of(model, PUBLISHED[name], x)).max() < 1e-4
    network.train()(x).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())
    torch.optim.SGD(network.parameters(), 0.01).step()
    kept(network, backbone, lambda _: x)


@needs_keras
def test_blocks_are_called_as_keras_calls_them_and_have_shapes(saved):
    found = facts(saved, saved.build())
    layers = {f"{one.name} ({type(one).__name__})": tuple(one.output.shape[1:]) for one in small().layers}
    assert len(found.blocks) > 2
    assert all(layers[block.name] == block.shape for block in found.blocks)


def test_copies_do_not_share_variables_and_modes_are_torchs(saved):
    network, x = saved.build().eval(), pictures()
    before = {n: t.clone() for n, t in network.state_dict().items()}
    copy = deepcopy(network).train()
    with torch.no_grad():
        copy(x)
        changed = {n for n, t in copy.state_dict().items() if not torch.equal(t, before[n])}
        assert changed == {n for n in before if "running" in n}
        assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
        assert not torch.allclose(copy(x), copy(x))  # dropout is before the classifier, so in the features
        kept = deepcopy(network).train()
        with untracked(kept):
            kept(x)
        assert all(torch.equal(t, before[n]) for n, t in kept.state_dict().items())
        assert torch.equal(network(x), network(x))


@needs_keras
def test_frozen_layers_keep_their_statistics(saved):
    network = saved.build()
    model = Freeze(keep=0.4).apply(Model(network, torch.nn.Linear(network.feature_dim, 2), ("a", "b")), None).train()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    model(pictures()).sum().backward()
    changed = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    first, last = (m for m in blocks(network) if isinstance(m, torch.nn.BatchNorm2d))
    assert not first.training
    assert last.training
    assert changed == {f"backbone.stages.0.layers.{i}.running_{k}" for i in (4,) for k in ("mean", "var")}
    assert all(p.grad is None for p in first.parameters())


@needs_keras
def test_a_saved_model_is_whole_without_the_keras_file(saved, kept):
    network = saved.build()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    kept(network, saved, lambda _: pictures(), Path(saved.arch))


@needs_keras
def test_new_weights_follow_torchs_seed(saved):
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(saved.build(pretrained=False).state_dict()["stages.0.layers.0.0_kernel"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@needs_keras
def test_another_size_than_the_models_own_is_refused(saved, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 20, 20, 3), np.uint8), y=[0, 1, 0, 1])
    examples = read(tmp_path / "x.npz")
    assert saved.suited(examples).preprocess.size == 16
    with pytest.raises(UserError, match=r"small\.keras takes pictures of 16 pixels, not 20; leave size out"):
        replace(saved, size=20).suited(examples)


@needs_keras
def test_all_conventions_are_tried_at_the_models_own_size(saved):
    options = replace(saved, size=None).conventions()
    assert {o.normalise for o in options} == set(ALL_CONVENTIONS) >= {"unit", "half", "byte", "imagenet"}
    assert {o.preprocess.size for o in options} == {16}
    pixels = np.array([[[[0, 128, 255]]]], dtype=np.uint8).repeat(16, 1).repeat(16, 2)
    byte = next(o for o in options if o.normalise == "byte").preprocess.tensor(pixels)
    assert byte[0, :, 0, 0].tolist() == pytest.approx([0, 128, 255], abs=1e-3)
    assert entry("backbones", to_plain(saved)) == saved


@needs_keras
def test_low_rank_updates_end_a_candidate_only(saved):
    pytest.importorskip("peft")
    network = saved.build()
    with pytest.raises(CandidateError, match=r"found no linear layer"):
        Lora().apply(Model(network, torch.nn.Linear(network.feature_dim, 2), ("a", "b")), None)


def rewritten(path: Path, change) -> Path:
    """A copy of a .keras file whose description is changed."""
    copy = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content.decode()) if name == "config.json" else content)
    return copy


@needs_keras
@pytest.mark.parametrize("kind", ["pickle", "text", "cut", "weights", "missing"])
def test_what_is_no_model_is_one_sentence(kind, saved, forged, tmp_path):
    path, sentinel = tmp_path / "bad.keras", tmp_path / "executed"
    message = "is not a Keras model"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(forged(sentinel)))
    elif kind == "text":
        path.write_text("<html>404</html>")
    elif kind == "cut":
        path.write_bytes(Path(saved.arch).read_bytes()[:3000])
    elif kind == "weights":
        path, message = tmp_path / "bad.weights.h5", "has weights but no layers"
        small().save_weights(path)
    else:
        message = "there is no Keras model"
    with pytest.raises(UserError, match=message) as caught:
        Keras(arch=str(path), size=16).build()
    assert "\n" not in str(caught.value)
    assert not sentinel.exists()


@needs_keras
@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"module": "keras.layers", "class_name": "ReLU"', '"module": "mine", "class_name": "Mine"', "Mine"),
        ('"class_name": "ReLU"', '"class_name": "Lambda"', "Lambda"),
        ('"class_name": "ReLU"', '"class_name": "TorchModuleWrapper"', "TorchModuleWrapper"),
        ('"module": "keras.layers", "class_name": "ReLU"', '"module": "os", "class_name": "system"', "system"),
        (
            '"module": "keras.layers", "class_name": "ReLU"',
            '"module": "keras.src.ops.core", "class_name": "Switch"',
            "Switch",
        ),
    ],
)
def test_layers_that_are_not_kerass_own_are_refused_by_name(old, new, named, saved):
    path = rewritten(Path(saved.arch), lambda text: json.dumps(json.loads(text)).replace(old, new))
    assert zipfile.ZipFile(path).read("config.json") != zipfile.ZipFile(saved.arch).read("config.json")
    with pytest.raises(UserError, match=rf"has '{named}', which is not a layer of Keras's own") as caught:
        Keras(arch=str(path), size=16).build()
    assert "\n" not in str(caught.value)


@needs_keras
def test_inputs_that_are_no_pictures_are_refused(tmp_path):
    keras = library()
    given = keras.layers.Input((7,))
    keras.Model(given, keras.layers.Dense(2)(given)).save(tmp_path / "table.keras")
    with pytest.raises(UserError, match=r"takes inputs of shape \(None, 7\)"):
        Keras(arch=str(tmp_path / "table.keras"), size=16).build()


@needs_keras
def test_models_inside_models_are_opened(tmp_path):
    """The usual form of transfer in Keras: a frozen base and a head, each a model."""
    keras, base = library(), small()
    body = keras.Model(base.inputs, base.layers[-3].output, name="body")
    body.trainable = False
    head = keras.Sequential([keras.layers.Input((12,)), keras.layers.Dense(6, "relu"), keras.layers.Dense(2)])
    given = keras.layers.Input((16, 16, 3))
    keras.Model(given, head(body(given))).save(tmp_path / "nested.keras")
    network, x = Keras(arch=str(tmp_path / "nested.keras"), size=16).build(), pictures()
    assert network.feature_dim == 6
    with torch.no_grad():
        weights, bias = (torch.as_tensor(w) for w in head.layers[0].get_weights())
        wanted = (torch.as_tensor(features_of(base, -3, x)) @ weights + bias).relu()
        assert (network.eval()(x) - wanted).abs().max() < 1e-4
    assert any("weight" in n or "kernel" in n for n, p in network.named_parameters() if p.requires_grad)
    assert isinstance(network.stages[0], KerasNet)
    assert len(blocks(network)) == 6


def test_without_the_library_the_extra_is_named(monkeypatch, tmp_path):
    (tmp_path / "m.keras").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(UserError, match=r"pip install 'regraft\[keras\]'"):
        Keras(arch=str(tmp_path / "m.keras"), size=16).build()


@needs_keras
def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(library().backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match=r"KERAS_BACKEND=torch"):
        library()
