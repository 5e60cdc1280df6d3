"""Bad input: one clear sentence, exit code 2, no traceback, and nothing half-written."""

import json
import os
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file


class Bomb:
    """What a hostile file unpickles to."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.sentinel),))


@pytest.fixture
def here(shell):
    """A folder with one of everything that can be wrong."""
    folder = shell.here

    def pictures(name: str, **counts: int) -> None:
        for label, count in counts.items():
            (folder / name / label).mkdir(parents=True)
            for i in range(count):
                Image.new("L", (8, 8), 40 * i).save(folder / name / label / f"{i}.png")

    pictures("single", a=3, b=1)
    pictures("hollow", a=3, b=0)
    pictures("alone", a=5)
    pictures("bare")
    (folder / "bare").mkdir(exist_ok=True)
    pictures("strange", zero=2, one=2)
    pictures("parts/train", a=2, b=2)
    (folder / "text.txt").write_text("not a picture")
    (folder / "typo.csv").write_text("path,lable\na.png,0\n")
    (folder / "gone.csv").write_text("path,label\nnowhere.png,0\n")
    (folder / "broken.yaml").write_text("target: [unclosed\n")
    (folder / "unknown.yaml").write_text("targt: x\n")
    (folder / "list.yaml").write_text("- target\n")
    (folder / "fake.npz").write_text("not an array")
    (folder / "broken.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": "b" "label"}\n')
    np.savez(folder / "bare.npz", x=np.eye(4))
    np.savez(folder / "vectors.npz", x=np.eye(4), y=[0, 1, 0, 1])
    (folder / "texts.csv").write_text("text,label\n" + "".join(f"a {i},{'xy'[i % 2]}\n" for i in range(40)))
    (folder / "rows.csv").write_text("a,label\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(40)))
    for name, file, text in (("odd", "run.json", "{}"), ("made", "options.yaml", "data: strange\n")):
        (folder / name).mkdir()
        (folder / name / file).write_text(text)
    (folder / "full").mkdir()
    (folder / "full" / "kept.txt").write_text("mine")
    pictures("nearly", ant=2, bee=2, bbe=1)
    save_file({"conv1.weight": torch.full((2, 2), torch.nan)}, folder / "nan.safetensors")
    save_file({"conv1.weight": torch.zeros(2, 2)}, folder / "other.safetensors")
    (folder / "bomb.pth").write_bytes(pickle.dumps({"w": Bomb(folder / "sentinel")}))
    (folder / "page.pth").write_text("<html>404</html>")
    return folder


@pytest.fixture
def given(shell):
    """The options of a good run, by name."""
    return {"--target": shell.data("handwriting"), "--source": f"data:{shell.data('printed_digits')}", "--shots": 3}


def run(**changes: object) -> tuple[str, dict[str, object]]:
    return "run", {f"--{name}": value for name, value in changes.items()}


RUNS = {
    "missing folder": (run(target="nowhere"), "no folder or file nowhere"),
    "nearly the name of a folder": (run(target="singel"), "did you mean single?"),
    "class with one image": (run(target="single"), "only 1 readable picture in single for 'b'"),
    "empty class": (run(target="hollow"), "no readable picture in hollow for 'b'"),
    "one class only": (run(target="alone"), "has one class only, 'a'"),
    "no pictures": (run(target="bare"), "no pictures found in bare"),
    "one level too high": (run(target="parts"), "holds parts of a data set"),
    "a text file for a target": (run(target="text.txt"), "which no reader knows"),
    "typo in a column": (run(target="typo.csv"), "label"),
    "a row without its file": (run(target="gone.csv"), "nowhere.png"),
    "a file that is not what its ending says": (run(target="fake.npz"), "fake.npz is not a NumPy file"),
    "JSON lines with a broken line": (run(target="broken.jsonl"), "line 2 of broken.jsonl is not valid JSON"),
    "another kind than the data are": (run(kind="text"), "cannot be read as --kind text"),
    "unknown kind": (run(kind="picture"), "'kind' of run: must be 'auto', 'image'"),
    "vectors for pictures": (run(source="data:vectors.npz"), "vectors.npz has the shape (4, 4); give pictures"),
    "other classes in the test set": (run(test="strange"), "classes that the target lacks"),
    "missing test set": (run(test="nowhere"), "no folder or file nowhere"),
    "missing unlabelled set": (run(unlabeled="nowhere"), "no folder or file nowhere"),
    "unknown kind of source": (run(source="tim:resnet18"), "did you mean 'timm'?"),
    "source without a kind": (run(source="resnet18"), "kind:name"),
    "missing source data": (run(source="data:nowhere"), "no folder or file 'nowhere'"),
    "source with one class": (run(source="data:alone"), "has one class only"),
    "unknown architecture": (run(source="timm:resnett18"), "did you mean 'resnet18'?"),
    "missing weights file": (run(source="timm:resnet18@no.pth"), "no weights file 'no.pth'"),
    "weights of another architecture": (run(source="torchvision:resnet18@other.safetensors"), "another architecture"),
    "weights that carry code": (run(source="torchvision:resnet18@bomb.pth"), "could run code"),
    "a web page for weights": (run(source="torchvision:resnet18@page.pth"), "not a PyTorch weights file"),
    "weights that are no numbers": (run(source="torchvision:resnet18@nan.safetensors"), "are not finite, the first in"),
    "a method without its source data": (
        run(source="timm:resnet18", method="joint"),
        "joint: it needs labelled source data); add a --source data:DIR",
    ),
    "a method without its unlabelled data": (
        run(method="deep_coral"),
        "deep_coral: it needs unlabelled target examples); give --unlabeled DIR",
    ),
    "a method that this network is not made for": (run(method="prefix", budget="none"), "prefix"),
    "scratch for a transfer": (run(method="scratch"), "scratch is no transfer"),
    "a network of no kind": (run(backbone="resnet18"), "resnet18"),
    "no steps": (run(steps=0), "'steps' must be at least 1"),
    "a negative seed": (run(seed=-1), "'seed' must be 0 or more"),
    "a class with a typing mistake": (run(target="nearly"), "is 'bbe' a typing mistake for 'bee'?"),
    "resume with other options": (run(resume="full"), "cannot be given with --resume"),
    "missing Keras model": (run(source="keras:no.h5"), "no file 'no.h5'"),
    "Keras model that carries code": (run(source="keras:bomb.pth"), "not a Keras model"),
    "missing ONNX model": (run(source="onnx:no.onnx"), "no file 'no.onnx'"),
    "ONNX model that carries code": (run(source="onnx:bomb.pth"), "not an ONNX model"),
    "own network without its file": (run(source="torch:no.py:Net@other.safetensors"), "no file 'no.py'"),
    "own network without a name": (run(source="torch:text.txt@other.safetensors"), "torch:FILE.py:NAME@WEIGHTS"),
    "unknown method": (run(method="fine_tun"), "did you mean 'fine_tune'?"),
    "unknown option of a method": (run(method="l2_sp?weigth=1"), "did you mean 'weight'?"),
    "a hierarchy that is not there": (run(method="hierarchy?parents=no.csv"), "not point to a file, got 'no.csv'"),
    "unknown network": (run(backbone="small:conf"), "did you mean 'conv'?"),
    "too many shots": (run(shots=500), "500 shots need at least 501"),
    "shots below none": (run(shots=-1, method="jda"), "'shots' must be 0 (no labels) or more, got -1"),
    "no labels, and a method that learns from them": (
        run(shots=0, method="fine_tune"),
        "it learns from labels, and there are none; shot needs none",
    ),
    "a selector for nothing": (run(select="entropy"), "'select' is for --shots 0"),
    "a value out of range": (run(method="l2_sp?weight=-1"), "'weight'"),
    "a selector that reads labels": (run(shots=0, select="target_validation"), "without labels take one of"),
    "shots that are no number": (run(shots="five"), "'shots' of run: must be a whole number, got 'five'"),
    "budget that is no time": (run(budget="soon"), "write a time such as 90s"),
    "no seeds": (run(seeds=0), "'seeds' must be at least 1"),
    "impossible level": (run(level=95), "between 0 and 1"),
    "unknown precision": (run(precision="fp8"), "choose one of"),
    "unknown option": (run(shot=3), "did you mean '--shots'?"),
    "folder that exists": (run(out="full"), "exists and is not empty"),
    "folder below a file": (run(out="text.txt/run"), "text.txt"),
    "unwritable folder": (run(out="/proc/regraft"), "/proc/regraft"),
    "broken options": (run(config="broken.yaml"), "broken.yaml is not YAML"),
    "unknown name among the options": (run(config="unknown.yaml"), "did you mean 'target'?"),
    "options that are a list": (run(config="list.yaml"), "must hold options"),
    "an empty name": (run(target=""), "option 'target' is empty"),
    "an empty source": (run(source=""), "option 'source' is empty"),
    "examples for a run": (run(source="strange"), "to learn from the examples in it write data:strange"),
    "texts without labels for pictures": (run(unlabeled="texts.csv"), "option 'unlabeled' holds texts, but the target"),
    "texts to judge pictures": (run(test="texts.csv"), "option 'test' holds texts, but the target pictures"),
    "a column of a folder": (run(source="data:strange?label=x"), "has no column 'x'; say which one"),
    "an array without labels": (
        run(target="vectors.npz", source="data:bare.npz", shots=1),
        "has no array 'label'; say which one holds its labels, as data:bare.npz?label=ARRAY; there are: x",
    ),
    "a run that is not there": (run(source="runs/nope"), "source 'runs/nope': there is no such folder of a run"),
    "a source without a name": (run(source="data:"), "source 'data:' names nothing behind its colon"),
    "a method like no other": (run(method="qqq"), "(regraft list methods lists them)"),
    "missing options": (run(config="no.yaml"), "cannot read no.yaml"),
}
VERBS = {
    "unknown command": (("rum",), "did you mean 'run'?"),
    "nothing asked for": (("run",), "'target' is missing"),
    "nothing to transfer from": (("run", "--target", "single"), "'source' is missing"),
    "resume of no run": (("run", "--resume", "full"), "not a run folder"),
    "resume of nothing": (("run", "--resume", "nowhere"), "not a run folder"),
    "evaluate of no run": (("evaluate", "full", "--data", "strange"), "no model in full"),
    "evaluate without data": (("evaluate", "full"), "'data' is missing"),
    "predict of no run": (("predict", "full", "text.txt"), "no model in full"),
    "predict without pictures": (("predict", "full"), "no examples given"),
    "report of no run": (("report", "full"), "full"),
    "explain of no run": (("explain", "full"), "not a run folder"),
    "explain of nothing": (("explain", "l2sp"), "did you mean 'l2_sp'?"),
    "explain of a source without its kind": (("explain", "resnet18"), "such as timm:resnet18"),
    "explain of a run that is not there": (
        ("explain", "runs/nope"),
        "there is no run runs/nope and no catalogue 'runs'",
    ),
    "unknown catalogue": (("list", "method"), "did you mean 'methods'?"),
    "explain of a damaged run": (("explain", "odd"), "run.json is damaged or not Regraft's"),
    "a word without its option": (
        ("run", "strange"),
        "run has no place for 'strange'; say what it is, as --target strange",
    ),
    "a word for what takes none": (("doctor", "strange"), "doctor takes no 'strange'; leave it out"),
    "resume of a training by run": (("run", "--resume", "made"), "go on with: regraft train --resume made"),
    "report of a training": (("report", "made"), "made was made by 'regraft train', which judges nothing"),
    "rows without labels": (("train", "--unlabeled", "rows.csv"), "no method does without labels; give --data"),
    "train without data": (("train",), "'data' is missing"),
    "train an unknown network": (("train", "--data", "strange", "--backbone", "small:conf"), "did you mean 'conv'?"),
}


def check(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("regraft: ")]
    assert len(lines) == 1, done.stderr
    assert sentence in lines[0]
    assert done.stdout == ""


def content(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("case", RUNS)
def test_run_refuses(shell, here, given, case):
    (verb, changes), sentence = RUNS[case]
    before = content(here)
    options = given | changes
    check(shell(verb, *(part for pair in options.items() for part in pair)), sentence)
    assert content(here) == before  # no run folder, no sentinel, nothing


@pytest.mark.parametrize("case", VERBS)
def test_verbs_refuse(shell, here, case):
    arguments, sentence = VERBS[case]
    before = content(here)
    check(shell(*arguments), sentence)
    assert content(here) == before


def test_a_kept_model_refuses(shell, here, finished):
    check(shell("predict", finished / "run", "text.txt"), "none of the paths is a readable picture")
    check(shell("predict", finished / "run", "nowhere.png"), "there is no picture or folder nowhere.png")
    check(shell("evaluate", finished / "run", "--data", "strange"), "classes that the target lacks")
    copy = here / "copy"
    shutil.copytree(finished / "run", copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    check(shell("predict", "copy", "text.txt"), "was changed after it was saved")
    check(shell("predict", "copy", "--top", "0", "text.txt"), "option 'top' must be at least 1, got 0")
    for name, verb in (("model.json", ("predict", "copy", "text.txt")), ("run.json", ("explain", "copy"))):
        (copy / name).write_text('{"schema": ')
        check(shell(*verb), f"{name} was damaged after it was written")


def test_odd_pictures_are_used_or_listed(shell):
    """What can be read is read; what cannot is listed with its reason, counted, and the run goes on."""
    target = shell.here / "target"
    shutil.copytree(shell.data("handwriting"), target)
    whole = next((target / "3").glob("*.png")).read_bytes()
    bad = {"truncated.png": whole[: len(whole) // 2], "corrupt.png": whole[:30] + b"?" * 60, "nothing.png": b""}
    for name, data in {**bad, "notes.txt": b"three"}.items():
        (target / "3" / name).write_bytes(data)
    Image.new("1", (20_000, 20_000)).save(target / "3" / "huge.png")
    good = {"cmyk.jpg": Image.new("CMYK", (40, 30)), "deep.png": Image.new("I;16", (20, 20), 40_000)}
    good |= {"large.png": Image.new("L", (5000, 4000)), "clear.png": Image.new("RGBA", (9, 9))}
    for name, picture in good.items():
        picture.save(target / "3" / name)
    frames = [Image.new("L", (12, 12), shade) for shade in (0, 90, 250)]
    frames[0].save(target / "3" / "moving.gif", save_all=True, append_images=frames[1:])
    where = ("--target", "target", "--source", f"data:{shell.data('printed_digits')}", "--shots", 3)
    done = shell("run", *where, "--method", "logistic", "--budget", "1s", "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    skipped = {Path(path).name: reason for path, reason in data["skipped"]}
    assert set(skipped) == {*bad, "notes.txt", "huge.png"}
    assert all(skipped.values())
    assert "5 files were skipped" in done.stderr
    assert data["train"]["3"] + data["holdout"]["3"] == 24 + len(good) + 1
    assert "huge.png" in (shell.here / "run" / "report.md").read_text()
    predicted = shell.json("predict", "run", target / "3")
    assert len(predicted["predictions"]) == 29
    assert len(predicted["skipped"]) == 5


def quick(shell: object, out: object) -> tuple[object, ...]:
    where = ("--target", shell.data("handwriting"), "--source", f"data:{shell.data('printed_digits')}", "--shots", 3)
    return ("run", *where, "--method", "logistic", "--budget", "1s", "--precision", "fp32", "--out", out)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk; the limit of a file is tested below")
def test_a_full_disk(shell):
    disk = shell.here / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine mounts nothing; the limit of a file is tested below")
    try:
        done = shell(*quick(shell, disk / "run"))
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("regraft: ")
        assert "No space left on device" in last
        assert f"Go on with: regraft run --resume {disk / 'run'}" in last
        assert not list(disk.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        assert shell("run", "--resume", disk / "run").returncode == 0
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_file_that_may_not_grow(shell):
    limit = 100_000  # bytes: less than a model
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    done = shell(*quick(shell, "run"), before=limited)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("regraft: ")
    assert "File too large" in last
    assert "Go on with: regraft run --resume run" in last


@pytest.mark.parametrize("arguments", ["--help", "run --help", "list methods"])
def test_a_reader_that_goes_away(shell, arguments):
    """``regraft --help | head -1``, with a pipe that is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    process = shell.start(*arguments.split(), fresh=True, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 0
