"""Sources ranked before a run, by the same scores and on the same labels as the run ranks them."""

import json

import pytest

from regraft.commands.rank import show


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
        assert {name: row[name] for name in same} == same
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
