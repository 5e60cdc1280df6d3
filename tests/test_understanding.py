"""What is found out about a network by measuring: how it was trained to see, and what few labels tell of it."""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from regraft import understanding
from regraft.backbones._base import Backbone, Network
from regraft.backbones._weights import ALL_CONVENTIONS
from regraft.backbones.keras import Keras
from regraft.data.dataset import whole
from regraft.data.decoding import decoded
from regraft.features import forward
from regraft.preprocessing.images import Images
from regraft.readers._base import read
from regraft.runtime import Runtime
from regraft.understanding import CLEARLY, best_input, folded_away, likelihood


class Bench:
    """What measuring needs."""

    runtime, cache = Runtime(), None


@dataclass(frozen=True)
class Named(Backbone):
    """A backbone of which only the convention matters: ``imagenet``, or with a size, ``imagenet 64``."""

    normalise: str

    @property
    def preprocess(self) -> Images:
        name, _, size = self.normalise.partition(" ")
        mean, std = ALL_CONVENTIONS[name]
        return Images(size=int(size or 8), mean=mean, std=std)

    def build(self, pretrained: bool = True) -> Network:
        return Network([], 1)


class Labelled:
    """Examples, and a data set of them, of which only the classes are read."""

    strata = labels = np.zeros(4)
    groups, digests = None, ("a", "b", "c", "d")

    def __len__(self):
        return len(self.labels)

    @property
    def examples(self):
        return self


@pytest.mark.parametrize(
    ("sure", "probes", "wanted"),
    [
        ({"unit": -0.5, "imagenet": -0.2}, {}, "imagenet"),
        ({"byte": -0.6, "caffe": -0.5}, {}, "caffe"),
        ({"unit": -0.5, "imagenet": -0.2, "byte": -0.01}, {"imagenet": -0.8, "byte": -2.1}, "imagenet"),
        ({"unit": -1.4, "imagenet": -1.3, "byte": -0.5}, {"imagenet": -2.2, "byte": -1.6}, "byte"),
        ({"unit": -0.2, "byte": -0.1, "caffe": -0.01}, {"unit": -2.2, "caffe": -2.2 + CLEARLY / 2}, "unit"),
        ({"unit": -0.2, "byte": -0.1}, {"unit": 0.0, "byte": 0.0}, "unit"),
        # ResNet-56 of CIFAR-10, measured on 50 of its pictures
        (
            {"half 64": -0.13, "imagenet 64": -0.2, "half 32": -0.225, "imagenet 32": -0.162},
            {"half 64": -2.005, "imagenet 32": -0.823},
            "imagenet 32",
        ),
        ({"half 64": -0.13, "half 32": -0.16}, {"half 64": -2.2, "half 32": -2.2 + CLEARLY / 2}, "half 64"),
        ({"half 64": -0.13, "byte 32": -0.01}, {"half 64": -2.2, "byte 32": -1.5}, "byte 32"),
    ],
)
def test_inputs_of_another_kind_need_more_than_a_sure_network(sure, probes, wanted, monkeypatch):
    """Sureness decides within inputs of one size and scale; a probe, clearly, between the best of each."""
    options = [Named(n) for n in sure]
    monkeypatch.setattr(understanding, "fit_of_input", lambda option, *_: sure[option.normalise])
    monkeypatch.setattr(understanding, "features", lambda _, __, form, ___: form)
    by_form = {Named(n).preprocess: value for n, value in probes.items()}
    monkeypatch.setattr(understanding, "likelihood", lambda form, *_: by_form[form])
    assert options[best_input(options, [Labelled()] * len(options), Bench())].normalise == wanted


def test_features_that_tell_classes_apart_are_likelier():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    noise = rng.normal(size=(40, 5))
    assert likelihood(noise + 4 * labels[:, None], labels) > likelihood(noise, labels) + 0.3


def test_what_tells_groups_apart_is_no_knowledge_of_classes():
    """Each example lies at a place of its group and class, so the others of its group give it away."""
    labels, groups = np.tile(np.arange(2), 20), np.repeat(np.arange(5), 8)
    places = np.random.default_rng(0).normal(size=(5, 2, 40))[groups, labels]
    assert likelihood(places, labels) > -0.1
    assert likelihood(places, labels, [str(g) for g in groups]) < -0.5


@pytest.mark.parametrize("labels", [np.zeros(8, dtype=np.int64), np.arange(4)])
def test_nothing_to_tell_apart_makes_all_networks_equal(labels):
    """Fewer than ten numbers fall into one bin; of one example a class none can be validated."""
    assert likelihood(np.random.default_rng(0).normal(size=(len(labels), 3)), labels) == 0.0


@pytest.mark.shared
@pytest.mark.skipif(find_spec("keras") is None, reason="needs the extra 'keras'")
def test_a_published_keras_model_gets_what_it_was_trained_with(real):
    """0.751 is what its collector measured on the same 1,000 pictures, with inputs from 0 to 255."""
    examples = read(real / "unclear-licence" / "cifar10_test_jpeg_1000")
    options = Keras(arch=str(real / "keras_h5" / "mlperf_tiny_resnet8_cifar10.h5")).suited(examples).conventions()
    data = whole(examples, decoded(examples, options[0].preprocess, None))
    few = data.take(np.arange(0, len(data), 10))
    best = options[best_input(options, [few] * len(options), Bench())]
    assert best.normalise == "byte"
    scores = forward(best.recogniser(), data, best.preprocess, Runtime())
    assert (scores.argmax(1) == data.labels).mean() == pytest.approx(0.751, abs=0.005)


def test_normalisation_that_was_folded_away_is_told_from_trained_and_from_fresh() -> None:
    norm = nn.BatchNorm2d(3)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), norm, nn.BatchNorm2d(3))
    assert not folded_away(network)  # fresh
    norm.running_var.fill_(1 - norm.eps)
    norm.bias.data = torch.tensor([0.3, -1.0, 0.0])
    assert folded_away(network)
    for values in (norm.running_mean, norm.running_var, norm.weight.data):
        values[1] += 0.5
        assert not folded_away(network)
        values[1] -= 0.5
    assert folded_away(network)
    assert not folded_away(nn.Conv2d(1, 3, 3))
