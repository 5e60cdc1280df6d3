"""Sources in the making."""

from typing import ClassVar

import numpy as np
import pytest
import torch
import torchvision

from regraft import opening
from regraft.bench import Bench
from regraft.core.errors import CandidateError, UserError
from regraft.core.progress import Reporter
from regraft.opening import Opening
from regraft.readers._base import read
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime
from regraft.sources import open_source


def test_training_that_breaks_down_is_told_in_a_sentence(toy, tmp_path, monkeypatch):
    def broken(*_):
        raise CandidateError("not a number at step 3")

    monkeypatch.setattr(opening, "run", broken)
    journal, problem = Journal(tmp_path), toy.problem()
    bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(), False, 0, None)
    with pytest.raises(UserError, match=r"source broke down \(not a number at step 3\); try another --backbone"):
        opening.train_model(problem.target.train, problem.backbone, "training", bench)


def test_how_many_words_are_unknown_is_told_as_word_vectors_are_opened(tmp_path):
    class Heard(Reporter):
        lines: ClassVar[list[str]] = []

        def say(self, text):
            self.lines.append(text)

    (tmp_path / "texts.csv").write_text("text,label\n" + "good words,a\nbad ones,b\n" * 4)
    (tmp_path / "vectors.txt").write_text("other 0.1 0.2\nwords 0.3 0.1\n")
    journal = Journal(tmp_path / "run")
    bench = Bench(journal, Clock(journal, None), Heard(), Runtime(), False, 0, None)
    open_source(f"glove:{tmp_path / 'vectors.txt'}", read(tmp_path / "texts.csv"), Opening(), bench)
    assert [line for line in Heard.lines if "75.0% of the target's words are unknown" in line]


def test_what_no_file_has_weights_for_is_the_same_in_every_run(tmp_path):
    """The encoder above word vectors is drawn, and once was another in every process."""
    (tmp_path / "texts.csv").write_text("text,label\n" + "good words,a\nbad ones,b\n" * 4)
    (tmp_path / "vectors.txt").write_text("good 0.1 0.2\nwords 0.3 0.1\n")
    target, uri, found = read(tmp_path / "texts.csv"), f"glove:attention@{tmp_path / 'vectors.txt'}", []
    for seed, state in ((0, 1), (0, 2), (1, 2)):
        journal = Journal(tmp_path / f"{seed}-{state}")
        bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(), False, seed, None)
        torch.manual_seed(state)
        network = open_source(uri, target, Opening(), bench).model.backbone
        found.append(torch.cat([p.flatten() for name, p in network.named_parameters() if p.requires_grad]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize(("stated", "tried"), [
    ("", 6), ("normalise=half", 2), ("padding=same", 3), ("normalise=half&padding=same", 1), ("size=40", 6),
])  # fmt: skip
def test_what_is_stated_of_a_networks_inputs_is_not_measured(stated, tried, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(opening, "best_input", lambda options, *_: seen.extend(options) or len(options) - 1)
    np.savez(tmp_path / "x.npz", x=np.arange(6 * 20 * 20, dtype=np.uint8).reshape(6, 20, 20), y=[0, 1] * 3)
    torch.save(torchvision.models.mobilenet_v3_small().state_dict(), tmp_path / "w.pth")
    journal = Journal(tmp_path / "run")
    bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(), False, 0, None)
    uri = f"torchvision:mobilenet_v3_small@{tmp_path / 'w.pth'}?{stated}"
    backbone = open_source(uri, read(tmp_path / "x.npz"), Opening(), bench).backbone
    options = dict(pair.split("=") for pair in stated.split("&") if pair)
    assert len(seen) == (tried if tried > 1 else 0)
    for one in [*seen, backbone]:
        assert {name: str(getattr(one, name)) for name in options} == options
    assert backbone.preprocess.size == int(options.get("size", 64))


@pytest.mark.parametrize(("stated", "message"), [
    ("normalise=bytes", "option 'normalise' .* must be one of imagenet, half, unit, clip, dpn, got 'bytes'"),
    ("padding=no", "option 'padding' .* must be 'symmetric' or 'same', got 'no'"),
    ("size=0", "option 'size' .* must be greater than or equal to 1, got '0'"),
    ("size=30", "inception_v3 takes no pictures of 30 x 30 pixels; give it a larger size"),
])  # fmt: skip
def test_what_cannot_be_stated_is_refused_in_a_sentence(stated, message, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.arange(6 * 20 * 20, dtype=np.uint8).reshape(6, 20, 20), y=[0, 1] * 3)
    (tmp_path / "w.pth").touch()
    journal = Journal(tmp_path / "run")
    bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(), False, 0, None)
    uri = f"torchvision:inception_v3@{tmp_path / 'w.pth'}?{stated}"
    with pytest.raises(UserError, match=message):
        open_source(uri, read(tmp_path / "x.npz"), Opening(), bench)


def test_a_size_that_is_not_usual_leaves_the_rest_to_be_measured(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(opening, "best_input", lambda options, *_: seen.extend(options) or 0)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef net():\n"
        "    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooled, nn.Linear(4, 2))\n"
    )
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), *[torch.nn.Identity()] * 3, torch.nn.Linear(4, 2))
    torch.save(network.state_dict(), tmp_path / "w.pth")
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 20, 20, 3), np.uint8), y=[0, 1, 0, 1])
    journal = Journal(tmp_path / "run")
    bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(), False, 0, None)
    uri = f"torch:{tmp_path / 'net.py'}:net@{tmp_path / 'w.pth'}?size=40"
    open_source(uri, read(tmp_path / "x.npz"), Opening(), bench)
    assert {(one.size, one.normalise) for one in seen} == {(40, "imagenet"), (40, "half"), (40, "unit")}
