"""What judges: examples that no source learns from."""

import csv
from pathlib import Path

import pytest

from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.preparing import Request, prepare

TARGET = [(f"{word} {i}", label) for i in range(8) for word, label in (("card", "money"), ("train", "travel"))]


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def asked(folder: Path, source: list[tuple[str, str]]) -> Request:
    other = table(folder / "other.csv", source)
    return Request(table(folder / "target.csv", TARGET), None, None, 2, 0, sources=(f"data:{other}",))


def test_what_a_source_is_trained_on_does_not_judge(tmp_path: Path) -> None:
    others = [(f"other {i}", label) for i in range(4) for label in ("money", "travel")]
    alone = prepare(asked(tmp_path, others), Reporter()).holdout
    shared = [row for row in TARGET if row[0] in alone.items][:3]
    found = prepare(asked(tmp_path, [*others, *shared]), Reporter())
    assert set(alone.items) - set(found.holdout.items) == {text for text, _ in shared}
    assert "3 texts that a source has learned from are not judged by" in found.facts["protocol"]
    assert len(found.train) == 4


def test_a_source_that_is_the_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has learned from 12 of the 12 texts that would judge it, and none is left"):
        prepare(asked(tmp_path, TARGET), Reporter())
