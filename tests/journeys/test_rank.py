"""Sources ranked before a run, by the same scores and on the same labels as the run ranks them."""

import json

import numpy as np
import pytest
import torch

from regraft.commands.rank import show

NET = """
from torch import nn


def net(width, grid):
    layers = [nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(width * grid**2, 5))


def weak():
    return net(1, 1)


def strong():
    return net(12, 4)
"""


def zoo(folder, count):
    """Networks with one feature and, of ten, one with many, all random, as a file of sources; and the strong ones."""
    (folder / "net.py").write_text(NET, encoding="utf-8")
    code: dict = {}
    exec(NET, code)
    uris = []
    for number in range(count):
        make = "strong" if number % 10 == 7 else "weak"
        torch.manual_seed(number)
        torch.save(code[make]().state_dict(), folder / f"{number}.pth")
        uris.append(f"torch:net.py:{make}@{number}.pth?size=16&normalise=unit")
    (folder / "zoo.txt").write_text("# networks\n\n" + "\n".join([*uris, "torch:net.py:gone@0.pth"]), encoding="utf-8")
    return uris[7::10]


def test_the_same_ranking_as_a_run(shell, finished, tmp_path):
    sources = [f"data:{shell.data(name)}" for name in ("shuffled_digits", "printed_digits")]
    given = ("--target", shell.data("handwriting"), "--shots", 4, "--precision", "fp32")
    arguments = ("rank", *given, "--source", sources[0], "--source", sources[1])
    found = shell.json(*arguments, fresh=True)
    rows = found["ranking"]
    assert [row["source"] for row in rows] == sources[::-1]
    assert found["labels"] == 40
    run = json.loads((finished / "run" / "run.json").read_text())["ranking"]
    for row, same in zip(rows, run, strict=True):
        # a run spares itself a pass over the data of sources
        assert row["beside"].keys() - same["beside"].keys() == {"otdd", "task2vec"}
        known = {**same, "beside": {**row["beside"], **same["beside"]}}
        assert {name: row[name] for name in known} == known
        assert row["missing"] == []
        assert row["milliseconds"] > 0
        assert row["parameters"] > 1000
    text = show(found)
    assert "1 (1-" in text
    assert "linear probe" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "option 'target' is missing"),
        (["--target", "DATA"], "option 'source' is missing; give those to rank"),
        (["--target", "DATA", "--source", "data:DATA", "--shots", 0], "option 'shots' is 0, but scores read labels"),
        (["--target", "DATA", "--source", "timn:resnet18"], "did you mean 'timm'"),
        (["--target", "gone", "--source", "data:DATA"], "gone"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(shell, tmp_path, arguments, sentence):
    data = str(shell.data("handwriting"))
    done = shell("rank", *(str(one).replace("DATA", data) for one in arguments))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("count", "keep", "seen"),
    [(8, 2, [9, 4]), pytest.param(30, 3, [31, 15, 8], marks=pytest.mark.slow)],
)
def test_many_sources_are_screened_and_the_best_are_kept(shell, tmp_path, count, keep, seen):
    best = zoo(tmp_path, count)
    given = ("--target", shell.data("handwriting"), "--shots", 16, "--sources", "zoo.txt", "--keep", keep)
    found = shell.json("rank", *given, "--precision", "fp32", "--layers", 1, "--out", "ranked")
    assert found["ranking"][0]["source"] in best
    assert {row["source"] for row in found["ranking"]} >= set(best)
    rungs = found["cost"]["rungs"]
    assert [r["sources"] for r in rungs] == seen
    assert [r["examples"] for r in rungs] == [64, 128, 160][: len(seen)]
    assert len(found["dropped"]) == count - keep
    assert found["dropped"][-1]["rung"] == 1
    assert [one["source"] for one in found["failed"]] == ["torch:net.py:gone@0.pth"]
    assert "gone" in found["failed"][0]["reason"]
    blocks = found["ranking"][0]["layers"]["blocks"]
    assert [blocks[0]["width"], blocks[-1]["width"]] == [12, 192]
    assert blocks[-1]["difference"] == 0
    assert blocks[-1]["value"] == pytest.approx(found["ranking"][0]["scores"]["linear_probe"]["value"], abs=1e-4)
    again = shell.json("rank", "--resume", "ranked")
    assert [row["scores"] for row in again["ranking"]] == [row["scores"] for row in found["ranking"]]
    assert again["dropped"] == found["dropped"]
    assert list(tmp_path.rglob("features.npy")) == []
    other = shell("rank", *given, "--out", "ranked")
    assert (other.returncode, "regraft rank --resume ranked" in other.stderr) == (2, True)


def test_screening_asks_the_heads_of_sources(shell):
    """Features are the same for right and for wrong names."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.normal(size=(4, 12))
    for name, each, moved in (("target", 4, 0), ("wrong", 40, 1), ("right", 40, 0), ("other", 40, 2)):
        y = np.repeat(np.arange(4), each)
        x = centres[y] + rng.normal(size=(len(y), 12))
        np.savez(shell.here / f"{name}.npz", x=x.astype("float32"), y=(y + moved) % 4)
    (shell.here / "all.txt").write_text("data:wrong.npz\ndata:right.npz\ndata:other.npz", encoding="utf-8")
    found = shell.json("rank", "--target", "target.npz", "--sources", "all.txt", "--keep", 1, "--precision", "fp32")
    assert [row["source"] for row in found["ranking"]] == ["data:right.npz"]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_ranking_fits_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    scores = {n: {"value": -0.5, "low": -0.6, "high": -0.4} for n in ("knn", "linear_probe", "logme", "gbc")}
    row = {"low": 1.0, "high": 2.0, "tied": True, "scores": scores, "parameters": 2223872, "milliseconds": 12.3}
    row |= {"missing": ["leep"]}
    names = [f"torchvision:mobilenet_v2@weights/{n}.safetensors" for n in "ab"]
    ranking = [{**row, "source": name, "rank": place} for place, name in enumerate(names, 1)]
    cost = {"seconds": 3.0, "rungs": [], "full_seconds": 3.0}
    result = {"ranking": ranking, "failed": [], "dropped": [], "cost": cost, "labels": 20, "protocol": "all"}
    assert max(map(len, show(result).splitlines())) <= columns
