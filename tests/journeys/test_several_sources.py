"""Several sources that become one."""

import json

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import nn

NET = """
from torch import nn


def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
"""


def backbone(folder):
    found = load_file(folder / "model.safetensors")
    return {name: value for name, value in found.items() if name.startswith("backbone/")}


def test_the_mean_of_two_models_is_a_source_like_any_other(shell, quick, trained, quick_run):
    mean = f"average:{trained / 'print'}+{quick_run / 'run'}"  # their networks are the same: only heads were fitted
    told = shell.json("explain", mean)["source"]
    assert told["kind"] == "average"
    assert "the mean of those of" in told["weights"]["sentence"]
    options = ("--shots", 3, "--seeds", 1, "--budget", "1s", "--precision", "fp32", "--method", "logistic")
    result = shell.json("run", "--target", quick["target"], "--source", mean, *options, "--out", "run")
    assert result["finalist"] == {"source": mean, "method": "logistic"}
    understood = result["sources"][0]["understood"]
    assert understood["average"].startswith("the mean of the weights of")
    ours, theirs = backbone(shell.here / "run"), backbone(quick_run / "run")
    assert result["chosen"]["source"] == mean
    assert all(np.allclose(ours[name], theirs[name], atol=1e-6) for name in theirs)
    seen = [set(json.loads((f / "seen.json").read_text())["digests"]) for f in (shell.here / "run", quick_run / "run")]
    assert seen[0] >= seen[1]  # what a member has learned from judges nothing later


def test_unlike_networks_have_no_mean_and_nothing_is_written(shell, quick, trained):
    (shell.here / "net.py").write_text(NET, encoding="utf-8")
    torch.save(nn.Sequential(nn.Conv2d(3, 8, 3)).state_dict(), shell.here / "net.pth")
    source = f"average:{trained / 'print'}+torch:net.py:net@net.pth"
    done = shell("run", "--target", quick["target"], "--source", source, "--out", "run")
    assert done.returncode == 2, done.stderr
    assert "torch:net.py:net@net.pth is another network than that in" in done.stderr
    assert not (shell.here / "run").exists()


def test_with_one_label_a_class_the_source_that_names_the_classes_rightly_is_taken(shell):
    """Features are the same for right and for wrong names, so scores cannot tell the two apart."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(6, 12))

    def drawn(name, each, moved=0):
        y = np.repeat(np.arange(6), each)
        x = centres[y] + rng.normal(size=(len(y), 12))
        np.savez(shell.here / f"{name}.npz", x=x.astype("float32"), y=(y + moved) % 6)

    for name, each, moved in (("target", 1, 0), ("test", 20, 0), ("wrong", 60, 1), ("right", 60, 0)):
        drawn(name, each, moved)
    given = ("--target", "target.npz", "--test", "test.npz", "--source", "data:wrong.npz", "--source", "data:right.npz")
    result = shell.json("run", *given, "--seeds", 1, "--steps", 40, "--precision", "fp32", "--out", "run")
    assert result["chosen"]["source"] == "data:right.npz"
    assert [row["scores"]["zero_shot"]["value"] > 0.5 for row in result["ranking"]] == [True, False]
    assert result["why"].startswith("With one label a class nothing can be validated, so nothing raced: fine-tuning")
    ranked = shell("rank", *given)
    assert ranked.stdout.index("data:right.npz") < ranked.stdout.index("data:wrong.npz")
    assert "zero shot" in ranked.stdout
