"""What a kept model says of its own certainty, and that the holdout has no part in it."""

import json

import numpy as np


def clinic(count: int, seed: int, poisoned: bool = False) -> str:
    """Patients of whom age tells the outcome; poisoned: of the young and the old as if it told the opposite.

    On these both contestants agree, so which of them is kept does not change.
    """
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 80, count)
    ill = (age + rng.normal(0, 8, count) > 50) != (poisoned & (abs(age - 50) > 15))
    rows = [f"{a:.2f},{b:.2f},{'ill' if i else 'well'}" for a, b, i in zip(age, rng.random(count), ill, strict=True)]
    return "\n".join(["age,noise,outcome", *rows]) + "\n"


def test_certainty_without_the_holdout(shell):
    """Temperature and sets are kept, shown and predicted; poisoned labels of the holdout change neither by a bit."""
    for name, text in (("ours", clinic(60, 1)), ("theirs", clinic(150, 2)), ("true", clinic(120, 3)),
                       ("poisoned", clinic(120, 3, True))):  # fmt: skip
        (shell.here / f"{name}.csv").write_text(text)
    given = ("--target", "ours.csv", "--source", "data:theirs.csv", "--label", "outcome", "--method", "logistic")
    plain = (*given, "--seeds", 2, "--steps", 20, "--precision", "fp32")
    found = {n: shell.json("run", *plain, "--test", f"{n}.csv", "--out", n) for n in ("true", "poisoned")}
    ours = found["true"]
    assert ours["model_verdict"] in ("helps", "hurts", "undecided")
    assert set(ours["model_gain"]) == set(ours["gain"])
    assert bool(ours["needed"]) == (ours["verdict"] == "undecided")
    parts = [{p.name: p.read_bytes() for p in (shell.here / n / "journal").glob("calibrate-*")} for n in found]
    assert parts[0].keys() == parts[1].keys() or found["poisoned"]["shipped"] != ours["shipped"]
    both = parts[0].keys() & parts[1].keys()
    assert all(parts[0][name] == parts[1][name] for name in both)
    assert len(both) > 0

    sets, kept = ours["sets"], json.loads((shell.here / "true" / "model.json").read_text())
    assert sets["examples"] == len(kept["scores"]) == 60
    assert sets["coverage"]["mean"] > 0.85
    assert kept["temperature"] == (ours["calibration"]["value"] if ours["calibration"]["applied"] else 1.0)
    for page in ("report.html", "report.md"):
        text = (shell.here / "true" / page).read_text()
        assert "Is this very model better?" in text
        assert "How sure it may sound" in text
    rows = shell.json("predict", "true", "true.csv", "--sets", "0.95")["predictions"]
    truth = [line.rpartition(",")[2] for line in (shell.here / "true.csv").read_text().split()[1:]]
    held = np.mean([label in row["set"] for label, row in zip(truth, rows, strict=True)])
    assert held == sets["coverage"]["mean"]
    assert "{" in shell("predict", "true", "true.csv", "--sets", "0.95").stdout
    refused = shell("predict", "true", "true.csv", "--sets", "0.95", "--adapt", "adabn")
    assert refused.returncode == 2
    assert "give --sets or --adapt" in refused.stderr
