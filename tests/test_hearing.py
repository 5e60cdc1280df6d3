"""Backbones made to suit recordings, and what is said where kinds of examples do not fit."""

from pathlib import Path

import numpy as np
import pytest

from regraft.backbones.small import Small
from regraft.backbones.timm import Timm
from regraft.core.config import entry, to_plain
from regraft.data.examples import Examples
from regraft.opening import backbone_for
from regraft.preprocessing.waveform import Waveform, fitting

soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")


def recordings(folder: Path, *extents: tuple[float, int]) -> Examples:
    """One recording for each pair of seconds and rate."""
    paths = []
    for i, (seconds, rate) in enumerate(extents):
        paths.append(folder / f"{i}.wav")
        soundfile.write(paths[-1], np.random.default_rng(i).uniform(-0.5, 0.5, round(seconds * rate)), rate)
    ids = tuple(p.name for p in paths)
    return Examples(ids, ids, tuple(paths), np.arange(len(ids)) % 2, ("a", "b"), kind="audio")


@pytest.mark.parametrize(
    ("extents", "wanted"),
    [
        ([(0.31, 16000)] * 3, Waveform(rate=16000, seconds=0.4)),
        ([(0.4, 16000)] * 3, Waveform(rate=16000, seconds=0.4)),
        ([(0.5, 8000)] * 40, Waveform(rate=8000, seconds=0.5)),
        ([(0.5, 8000)] * 39 + [(0.5, 44100)], Waveform(rate=8000, seconds=0.5)),
        ([(0.5, 8000)] * 9 + [(0.5, 44100)], Waveform(rate=16000, seconds=0.5)),
        ([(0.01, 44100)], Waveform(rate=16000, seconds=0.1)),
        ([(12.0, 4000)], Waveform(rate=8000, seconds=10.0)),
    ],
)
def test_length_and_rate_follow_the_recordings(tmp_path, extents, wanted):
    assert fitting(recordings(tmp_path, *extents).items) == wanted


def test_one_long_recording_of_many_is_cut_rather_than_all_padded(tmp_path):
    examples = recordings(tmp_path, *[(0.2, 8000)] * 300, (5.0, 8000))
    assert fitting(examples.items).seconds == 0.2


@pytest.mark.parametrize("name", ["small", "small:conv", "timm:resnet18", "torchvision:mobilenet_v2"])
def test_networks_of_pictures_are_suited_to_recordings(tmp_path, name):
    backbone = backbone_for(name, recordings(tmp_path, (0.3, 8000), (0.3, 8000)))
    assert backbone.preprocess == Waveform(rate=8000, seconds=0.3)
    assert backbone.described.startswith("0.3 s at 8000 Hz as spectrograms of ")
    assert entry("backbones", to_plain(backbone)) == backbone


@pytest.mark.parametrize(("name", "size"), [("timm:vit_tiny_patch16_224", 224), ("torchvision:resnet18", 96)])
def test_spectrograms_are_no_larger_than_they_are_worth_unless_the_network_insists(tmp_path, name, size):
    backbone = backbone_for(name, recordings(tmp_path, (0.3, 8000), (0.3, 8000)))
    assert backbone.size == size
    assert backbone.build(pretrained=False)(backbone.preprocess.sample(2)).shape[0] == 2


def test_new_targets_are_heard_by_the_first_stages_unless_told_otherwise(tmp_path):
    examples = recordings(tmp_path, (0.3, 8000), (0.3, 8000))
    first, whole = (backbone_for(f"torchvision:mobilenet_v2{o}", examples) for o in ("", "?early=false"))
    assert first.build(pretrained=False).feature_dim == 32 * 6 * 2
    assert whole.build(pretrained=False).feature_dim == 1280
    assert Timm(arch="resnet18", size=96, hears=Waveform()).build(pretrained=False).feature_dim == 512  # kept before


def test_a_weights_file_is_not_asked_what_it_recognises_in_recordings(tmp_path):
    backbone = Timm(arch="resnet18", weights=tmp_path / "w.pth", hears=Waveform())
    assert backbone.recogniser() is None
    assert {b.hears for b in backbone.conventions()} == {Waveform()}


def test_without_arch_small_takes_recordings(tmp_path):
    examples = recordings(tmp_path, (0.3, 8000), (0.3, 8000))
    assert Small().suited(examples).arch == "conv"
    assert Small().suited(examples).build().feature_dim == 512
