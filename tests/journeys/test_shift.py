"""How far two sets of examples lie apart, from the command line and from Python."""

import csv
import json
import re

import numpy as np
import pytest
import torch

import regraft


def test_print_and_handwriting(shell, tmp_path):
    arguments = ("shift", shell.data("printed_digits"), shell.data("handwriting"), "--examples", 80)
    found = shell.json(*arguments, "--out", "apart", fresh=True)
    assert found["found"]
    assert found["examples"] == [80, 80]
    assert found["names"] == {"both": list("0123456789"), "first": [], "second": []}
    assert found["conditional"]["foreign"] < found["conditional"]["own"]
    page = (tmp_path / "apart" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 20
    assert found["sentence"].partition(". ")[0] in page
    assert json.loads((tmp_path / "apart" / "shift.json").read_text())["divergences"] == found["divergences"]
    same = shell.json("shift", shell.data("handwriting"), shell.data("handwriting"), "--examples", 60)
    assert not same["found"]
    assert len(same["duplicates"]) == 240
    text = shell(*arguments)
    assert "by a classifier of" in text.stdout
    assert "class 3" in text.stdout


@pytest.fixture
def tables(tmp_path):
    """Two tables that share two columns, of which one moved; the second has no labels."""
    draw = np.random.default_rng(0)
    for name, at, last in (("old", 0.0, "label"), ("new", 2.0, "lot")):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["size", "weight", last])
            for i in range(60):
                rows.writerow([f"{draw.normal():.3f}", f"{draw.normal() + at:.3f}", "good" if i % 2 else "bad"])
    return tmp_path


def test_tables_name_the_columns_that_moved(shell, tables):
    found = shell.json("shift", "old.csv", "new.csv")
    assert [row["name"] for row in found["columns"] if row["adjusted"] < 0.05] == ["weight"]
    assert found["labels"]["estimated"]
    assert found["names"]["first"] == []
    done = shell("shift", "old.csv", "new.csv")
    assert "new.csv is taken without labels: new.csv has no column 'label'" in done.stderr
    assert "columns that moved: weight" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["old.csv"], "two domains are compared, 1 given: regraft shift SOURCE TARGET"),
        (["old.csv", "gone"], "gone"),
        (["old.csv", "DATA"], "old.csv holds rows and .* pictures; give two of one kind"),
        (["old.csv", "new.csv", "--examples", 1], "option 'examples' must be at least 2, got 1"),
        (["old.csv", "new.csv", "--backbone", "data:old.csv"], "has no features of its own"),
        (["old.csv", "new.csv", "--backbone", "timn:resnet18"], "did you mean 'timm'"),
    ],
)
def test_what_cannot_be_compared_is_told_and_leaves_nothing(shell, tables, arguments, sentence):
    before = sorted(tables.iterdir())
    done = shell("shift", *(shell.data("handwriting") if one == "DATA" else one for one in arguments))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(sentence, last), last
    assert sorted(tables.iterdir()) == before


def test_arrays_in_python():
    torch.set_num_threads(1)
    draw = np.random.default_rng(0)
    found = regraft.shift(draw.normal(size=(30, 3)), draw.normal(size=(40, 3)) + 1)
    assert found["found"]
    assert found["examples"] == [30, 40]
