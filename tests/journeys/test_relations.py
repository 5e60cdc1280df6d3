"""Relations between classes, through the command line."""

import json


def test_groups_of_classes_from_a_file_and_a_method_twice_with_other_options(shell, quick, quick_run):
    """Each is a candidate of its own; the report says what was chosen, and the model predicts."""
    (shell.here / "shapes.csv").write_text(
        "class,parent\n" + "".join(f"{d},{'round' if d in '0689' else 'open'}\n" for d in "0123456789")
    )
    methods = ["hierarchy?parents=shapes.csv", "hierarchy?parents=shapes.csv&weight=0.1"]
    where = ("--target", quick["target"], "--source", quick_run / "run", "--shots", "3", "--precision", "fp32")
    named = [part for method in methods for part in ("--method", method)]
    found = shell.json("run", *where, *named, "--steps", "3", "--seeds", "1", "--budget", "none", "--out", "run")
    alone = [c for c in found["candidates"] if not c["members"]]
    tried = {c["method"]: c["score"] for c in alone if c["method"] != "scratch"}
    assert set(tried) == set(methods)
    assert all(score is not None for score in tried.values())
    assert found["finalist"]["method"] in methods
    assert "Making better mistakes" in found["citations"][found["finalist"]["method"]]
    assert json.loads((shell.here / "run" / "model.json").read_text())["classes"] == list("0123456789")
