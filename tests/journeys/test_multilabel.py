"""Label sets through the whole of it, as a new user would: run, report, predict, evaluate, and as a source."""

import json
import runpy

import pytest

from regraft.commands import evaluate, predict
from regraft.commands.run import Run, main
from regraft.core import catalog
from regraft.core.config import build
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.data import embedded

write = runpy.run_path(str(catalog.ROOT.parents[1] / "examples" / "several_digits.py"))["write"]
FEW = ("--seeds", 1, "--steps", 8, "--precision", "fp32", "--budget", "none", "--shots", 2)


@pytest.fixture
def several(tmp_path):
    """Pictures of several digits."""
    return write(tmp_path / "ours", embedded.handwriting(), 120, 0)


def test_label_sets_from_start_to_end(shell, several, monkeypatch):
    """From labelled classes to label sets, and the run as a source of classes again."""
    digits, given = shell.data("handwriting"), ("--method", "logistic", *FEW)
    source = ("--source", f"data:{digits}", "--task", "multilabel")
    result = shell.json("run", "--target", several, *source, *given, "--out", "run")
    assert result["task"] == "multilabel"
    assert "F1 per example" in result["sentence"]
    assert {"example_f1", "mean_average_precision", "log_loss"} <= set(result["metrics"])
    assert [row["label"] for row in result["labels"]] == list("0123456789")
    assert min(result["data"]["train"].values()) >= 2
    assert result["data"]["examples"]["train"] + result["data"]["examples"]["holdout"] == 120
    report = (shell.here / "run" / "report.md").read_text()
    assert "Label by label" in report
    assert not list((shell.here / "run" / "figures").glob("confusion*"))
    holdout = json.loads((shell.here / "run" / "evaluation" / "holdout.json").read_text())
    assert len(holdout["sets"]) == result["data"]["examples"]["holdout"]

    # In this process from here on: the command line of these verbs is the same for every kind of labels.
    monkeypatch.setenv("REGRAFT_CACHE", str(shell.home / "cache"))
    run, picture = shell.here / "run", str(several.parent / "0001.png")
    row = predict.main(predict.Predict(run=run, paths=(picture,), top=2), Reporter())["predictions"][0]
    assert len(row["next"]) == 2
    assert all(p > 0.5 for _, p in row["labels"])
    assert all(p <= 0.5 for _, p in row["next"])
    measured = evaluate.main(evaluate.Evaluate(run=run, data=several), Reporter())["metrics"]
    assert 0 <= measured["example_f1"]["mean"] <= 1
    others = shell.data("printed_digits")  # those in handwriting, which the run has learned from, cannot judge it
    given = {"target": others, "source": [str(run)], "method": ["logistic"], "seeds": 1, "steps": 8, "shots": 1}
    again = main(
        build(Run, given | {"budget": "none", "precision": "fp32", "out": shell.here / "again"}, "run"), Reporter()
    )
    assert again["task"] == "classification"


def test_what_cannot_be_is_refused_before_any_work(several, tmp_path):
    others = write(tmp_path / "theirs", embedded.handwriting(), 60, 1)
    given = {"target": several, "source": [f"data:{others}"], "task": "multilabel", "out": tmp_path / "run"}
    with pytest.raises(UserError, match="ridge: it predicts numbers only, and the labels are label sets"):
        main(build(Run, given | {"method": ["ridge"]}, "run"), Reporter())
    assert not (tmp_path / "run").exists()


def test_labels_that_are_not_given_are_shown_after_those_that_are():
    rows = [
        {"path": "a.png", "labels": [["red", 0.9]], "next": [["big", 0.3]]},
        {"path": "b", "labels": [], "next": []},
    ]
    assert predict.show({"predictions": rows, "skipped": []}).splitlines() == [
        "a.png: red 0.900 (next: big 0.300)",
        "b: none",
    ]
