"""A transfer that hurts is told and not kept; one that helps is kept; too small a budget still ends with a verdict."""

import json

import numpy as np
import pytest

QUICK = ("--precision", "fp32", "--out", "run")


@pytest.fixture
def digits(shell):
    """All the handwriting, 5 labels a class, without its labels once more, and a source by name."""

    def options(source: str) -> tuple[object, ...]:
        handwriting = shell.data("handwriting", small=False)
        given = ("--target", handwriting, "--unlabeled", handwriting, "--shots", 5)
        return (*given, "--source", f"data:{shell.data(source, small=False)}")

    return options


def test_a_harmful_source_is_refused(shell, digits):
    harmful = (*digits("moved_digits"), "--method", "joint")
    found = shell.json("run", *harmful, "--seeds", 3, "--steps", 200, *QUICK)
    assert found["verdict"] == "hurts"
    assert found["gain"]["high"] < 0
    assert found["chosen"] == {"source": None, "method": "scratch"}
    assert found["shipped"] == "scratch"
    assert found["sentence"].endswith("The model from scratch is kept.")
    assert "hurts" in found["sentence"]
    # The kept model is the scratch model of the first seed: its accuracy on the same holdout is the one on record.
    first = np.load(shell.here / "run" / "evaluation" / "scratch-outputs.npy")[0].argmax(1)
    kept = shell.json("predict", "run", shell.data("handwriting", small=False))["predictions"]
    answers = {row["path"].split("handwriting/")[1]: row["classes"][0][0] for row in kept}
    holdout = json.loads((shell.here / "run" / "evaluation" / "holdout.json").read_text())
    names = [holdout["classes"][k] for k in first]
    assert [answers[i] for i in holdout["ids"]] == names
    right = np.mean([name == i.split("/")[0] for name, i in zip(names, holdout["ids"], strict=True)])
    assert abs(right - found["baseline"]["accuracy"]["mean"]) < 0.05  # the mean is over three seeds
    for page in ("report.html", "report.md"):
        assert "The model from scratch is kept." in (shell.here / "run" / page).read_text()


def test_a_useful_source_is_kept(shell, digits):
    useful = (*digits("printed_digits"), "--method", "fine_tune")
    found = shell.json("run", *useful, "--seeds", 2, "--steps", 60, *QUICK)
    assert found["verdict"] != "hurts"
    assert found["shipped"] == "transfer"
    assert found["chosen"]["method"] == "fine_tune"
    assert found["chosen"]["source"].endswith("printed_digits")
    assert found["gain"]["high"] > 0


def test_a_budget_too_small_for_anything(shell, digits):
    found = shell.json("run", *digits("printed_digits"), "--seeds", 3, "--budget", "1s", *QUICK)
    assert found["verdict"] in ("helps", "hurts", "undecided")
    assert "budget is too small" in found["plan"]["note"]
    assert (shell.here / "run" / "model.safetensors").is_file()
    assert (shell.here / "run" / "report.html").is_file()
    assert {row["outcome"] for row in found["candidates"]} <= {"skipped", "finalist", "baseline"}
