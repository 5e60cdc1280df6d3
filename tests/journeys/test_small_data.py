"""A target too small for a holdout, what is told of its parts, and that nothing reads what is to judge."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from regraft import nested
from regraft.commands.run import Run, main
from regraft.core.config import build
from regraft.core.progress import Reporter
from regraft.data.examples import Examples

TIMES = ("seconds", "pace", "each")
"""What a trial or a fold says of the time it took."""


def few(shell, folder: Path, each: int = 4, digits: str = "035") -> Path:
    """A target of ``each`` digits a class."""
    for digit in digits:
        (folder / digit).mkdir(parents=True)
        for picture in sorted((shell.data("handwriting") / digit).iterdir())[:each]:
            shutil.copy(picture, folder / digit)
    return folder


def timeless(value):
    """Without what is a time."""
    if isinstance(value, dict):
        return {key: timeless(one) for key, one in value.items() if key not in TIMES}
    return [timeless(one) for one in value] if isinstance(value, list) else value


def before_judgement(journal: Path) -> dict[str, object]:
    """All that a run left in its journal before the holdout was read: trials, choices and models, bit for bit."""
    measured = ("clock", "plan", "training", "inference", "deadline", "curve", "hindsight", "contributions")
    found: dict[str, object] = {}
    for path in sorted(journal.rglob("*")):
        name = str(path.relative_to(journal))
        if path.suffix == ".json" and not path.stem.endswith(measured):
            found[name] = timeless(json.loads(path.read_text()))
        elif path.suffix == ".safetensors":
            found[name] = path.read_bytes()
    return found


def test_small_data_judge_in_turn(shell, trained):
    """Every example judges once; the kept model learned from all; a fold that was lost is done again alike."""
    target = few(shell, shell.here / "few")
    given = ("--target", target, "--source", trained / "print", "--folds", 2, "--method", "logistic")
    found = shell.json("run", *given, "--steps", 2, "--seeds", 2, "--precision", "fp32", "--out", "run")
    told, run = found["nested"], shell.here / "run"
    assert sum(one["examples"] for one in told["outer"]) == told["learned"] == 12
    assert "This is of the procedure, judged in 2 outer folds" in found["sentence"]
    assert found["data"]["protocol"].startswith("no holdout")
    assert len(json.loads((run / "evaluation" / "holdout.json").read_text())["ids"]) == 12
    assert "## Fold by fold" in (run / "report.md").read_text()
    assert len(shell.json("predict", "run", target / "0")["predictions"]) == 4
    (run / "run.json").unlink()
    (run / "journal" / "outer-0-1.json").unlink()
    again = shell.json("run", "--resume", "run")
    same = ("verdict", "gain", "finalist", "metrics", "baseline", "tests", "labels")
    assert {name: again[name] for name in same} == {name: found[name] for name in same}
    assert timeless(again["nested"]) == timeless(told)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--folds", 1), "must be 2 or more, or 0 for a holdout"),
        (("--folds", 3, "--shots", 2), "leave it or --shots out"),
        (("--repeats", 2), "above 1 with --folds"),
        (("--folds", 5, "--budget", "20s"), "6 parts, 5 folds and the final choice"),
        (("--folds", 13), "has only 12 pictures"),
    ],
)
def test_folds_that_cannot_be_are_refused(shell, trained, options, sentence):
    target = few(shell, shell.here / "few")
    done = shell("run", "--target", target, "--source", trained / "print", *options)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_few_examples_judge_in_turn_unasked(shell, trained, monkeypatch):
    """Where there is time, and it is said aloud; with --steps, or --folds 0, a holdout is set aside."""
    heard: list[str] = []
    reporter = Reporter()
    monkeypatch.setattr(reporter, "say", heard.append)
    monkeypatch.setattr(nested.Nested, "run", lambda self, command: pytest.fail("taken"))
    target = few(shell, shell.here / "few")
    plain = {"target": target, "source": [str(trained / "print")], "out": shell.here / "run", "method": ["logistic"]}
    with pytest.raises(pytest.fail.Exception, match="taken"):
        main(build(Run, plain, "run"), reporter)
    assert any("12 pictures are too few to set some aside" in one for one in heard)


@pytest.mark.parametrize("poison", ["labels", "pictures"])
def test_nothing_before_the_judgement_changes_by_a_bit(shell, trained, poison):
    """A test set with other labels, or with other pictures: the same trials, the same choice, the same weights."""
    target, digits = few(shell, shell.here / "target"), "035"
    for place, digit in enumerate(digits):
        true, other = (shell.here / name / digit for name in ("true", "poisoned"))
        moved = digits[(place + 1) % 3] if poison == "labels" else digit
        shutil.copytree(shell.data("moved_digits") / digit, true)
        shutil.copytree(shell.data("moved_digits") / moved, other)
        for path in other.iterdir() if poison == "pictures" else ():
            ImageOps.invert(Image.open(path).convert("L")).save(path)
    given = ("--target", target, "--source", trained / "print", "--method", "logistic", "--method", "fine_tune")
    plain = (*given, "--steps", 2, "--seeds", 1, "--precision", "fp32")
    for name in ("true", "poisoned"):
        shell.json("run", *plain, "--test", name, "--out", f"run-{name}")
    ours, theirs = (before_judgement(shell.here / f"run-{name}" / "journal") for name in ("true", "poisoned"))
    assert ours == theirs
    assert any(name.startswith("finish-") and name.endswith(".safetensors") for name in ours)
    assert any(name.startswith("race-") for name in ours)
    places = (shell.here / f"run-{name}/evaluation/chosen-outputs.npy" for name in ("true", "poisoned"))
    outputs = [np.sort(np.load(place)[0].max(1)) for place in places]  # other labels are read in another order
    assert np.array_equal(*outputs) is (poison == "labels")  # only what judges was other


def test_a_fold_is_judged_by_what_never_saw_it(shell, trained, monkeypatch):
    """Each outer fold's examples get wrong labels once the fold is set aside: journals and models stay as they were."""
    target, kept = few(shell, shell.here / "few"), {}
    monkeypatch.setenv("REGRAFT_CACHE", str(shell.here / "cache"))
    monkeypatch.setattr(nested, "rmtree", lambda folder: None)  # which removes the models of a fold

    class Poisoned(nested.Job):
        def __init__(self, data, wanted, bench):
            held = data.holdout
            wrong = {**held.__dict__, "labels": (held.labels + 1) % 3}
            fields = Examples.__dataclass_fields__
            poisoned = Examples(**{name: value for name, value in wrong.items() if name in fields})
            super().__init__(nested.replace(data, holdout=poisoned), wanted, bench)

    for name in ("true", "poisoned"):
        if name == "poisoned":
            monkeypatch.setattr(nested, "Job", Poisoned)
        given = {"target": target, "source": [str(trained / "print")], "folds": 2, "method": ["logistic"], "steps": 2}
        plain = given | {"seeds": 1, "budget": "none", "precision": "fp32", "out": shell.here / name}
        result = main(build(Run, plain, "run"), Reporter())
        folds = [shell.here / name / "journal" / f"outer-0-{fold}" / "journal" for fold in range(2)]
        kept[name] = [before_judgement(folder) for folder in folds], result
    assert kept["true"][0] == kept["poisoned"][0]
    assert all(any(path.startswith("finish-") for path in found) for found in kept["true"][0])
    # What the folds' own labels said differs; the pooled verdict reads the true ones, so it is the same.
    assert kept["true"][1]["nested"]["outer"][0]["chosen"] != kept["poisoned"][1]["nested"]["outer"][0]["chosen"]
    assert kept["true"][1]["gain"] == kept["poisoned"][1]["gain"]


def test_parts_are_told_with_intervals(shell, trained):
    given = ("--target", shell.data("handwriting"), "--source", trained / "print", "--method", "l2_sp", "--shots", 2)
    plain = (*given, "--steps", 3, "--seeds", 2, "--precision", "fp32", "--contributions", "yes")
    found = shell.json("run", *plain, "--out", "run")
    parts = {row["part"]: row for row in found["contributions"]}
    assert set(parts) == {"the source's weights", "what is added to the loss"}
    for row in parts.values():
        gain = found["metrics"]["accuracy"]["mean"] - row["without"]
        assert row["gain"]["mean"] == pytest.approx(gain)
        assert row["gain"]["low"] <= row["gain"]["mean"] <= row["gain"]["high"]
    assert "## What contributed" in (shell.here / "run" / "report.md").read_text()
