"""What judges: examples that no source learns from."""

import csv
from collections.abc import Callable
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


PEOPLE = [
    (f"{20.1234 + 1.7 * i:.4f}", "abc"[i % 3], f"2024-0{1 + i % 9}-11", "ill" if i % 2 else "well") for i in range(40)
]


def people(path: Path, header: str, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def lost(folder: Path, header: str, rows: list[tuple[str, ...]]) -> int:
    """How many rows of the target's holdout count as seen by a source with these ``rows`` and others."""
    others = [(*(f"other {i}" for _ in header.split(",")[1:]), ("well", "ill")[i % 2]) for i in range(10)]
    source = people(folder / "source.csv", header, [*rows, *others])
    target = people(folder / "target.csv", "age,town,seen,outcome", PEOPLE)
    found = prepare(
        Request(target, None, None, 4, 0, label="outcome", sources=(f"data:{source}?label={header.split(',')[-1]}",)),
        Reporter(),
    )
    return 32 - len(found.holdout)


@pytest.mark.parametrize(
    ("header", "change"),
    [
        ("age,town,seen,outcome", lambda age, town, seen, label: (age, town, seen, label)),
        ("age,town,seen,finding", lambda age, town, seen, label: (age, town, seen, label)),
        ("seen,age,town,finding", lambda age, town, seen, label: (seen, age, town, label)),
        ("age,town,seen,ward,outcome", lambda age, town, seen, label: (age, town, seen, "west", label)),
        ("age,seen,outcome", lambda age, town, seen, label: (age, seen, label)),
        ("age,town,seen,outcome", lambda age, town, seen, label: (f"{float(age):.1f}", town.upper(), seen, label)),
    ],
)
def test_an_altered_copy_of_a_row_counts_as_seen(tmp_path: Path, header: str, change: Callable) -> None:
    assert 0 < lost(tmp_path, header, [change(*row) for row in PEOPLE[:10]]) <= 10


def test_rows_that_are_alike_in_coarse_columns_only_do_not_count_as_seen(tmp_path: Path) -> None:
    assert lost(tmp_path, "town,seen,outcome", [row[1:] for row in PEOPLE[:10]]) == 0
    others = [(f"{float(age) + 0.85:.4f}", *rest) for age, *rest in PEOPLE]
    assert lost(tmp_path, "age,town,seen,outcome", others) == 0


def test_one_label_a_class_will_do_where_a_test_set_judges(tmp_path: Path) -> None:
    test = table(tmp_path / "test.csv", TARGET[4:])
    found = prepare(Request(table(tmp_path / "target.csv", TARGET[:2]), test, None, None, 0), Reporter())
    assert found.train.counts() == {"money": 1, "travel": 1}
    with pytest.raises(UserError, match="one class only"):
        prepare(Request(table(tmp_path / "one.csv", TARGET[:1]), test, None, None, 0), Reporter())
