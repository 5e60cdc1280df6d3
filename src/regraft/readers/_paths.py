"""Files listed in a table, whatever they hold."""

import os
from dataclasses import dataclass
from pathlib import Path

from regraft.core.errors import UserError
from regraft.data.examples import Examples, Skipped
from regraft.readers._base import Reader, natural, targets
from regraft.readers._folders import sounding
from regraft.readers._rows import ENDINGS, header, load
from regraft.readers._sets import Cell, label_cells


@dataclass(frozen=True)
class _Row:
    number: int  # the line in the file, the header being line 1
    path: Path
    label: Cell
    group: str


def lists_files(path: Path) -> bool:
    """Whether ``path`` is a table with a column path, but no column text: then its rows name files."""
    if not path.is_file() or path.suffix.lower() not in ENDINGS:
        return False
    columns = header(path)
    return "path" in columns and "text" not in columns


def lists_sounds(path: Path) -> bool:
    """Whether ``path`` is a table whose column path names recordings, by the endings of most of its rows."""
    return lists_files(path) and sounding([cell["path"] for cell in load(path).cells])


def in_table(path: Path, reader: Reader, kind: str) -> Examples:
    """The files that ``path`` lists as examples of ``kind``, not yet opened.

    ``reader``: whose options say where the labels are, if they are wanted, and what they are.

    Raises:
        UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its file
            does not exist; names the row by its line in the file.
    """
    table = load(path)
    table.need("path")
    labels = label_cells(table, reader.label, reader.task) if reader.labelled else [""] * len(table.cells)
    rows = [
        _Row(number, path.parent / cell["path"], label, cell.get("group", ""))
        for number, cell, label in zip(table.numbers, table.cells, labels, strict=True)
    ]
    _check_files(path, rows)
    first, repeated = _unique(path, rows, reader.labelled)
    names = [Path(os.path.relpath(row.path, path.parent)).as_posix() for row in first]
    known, classes = targets([row.label for row in first], reader.task) if reader.labelled else (None, ())
    grouped = "group" in table.columns
    groups = tuple(row.group or name for row, name in zip(first, names, strict=True)) if grouped else None
    paths = tuple(row.path for row in first)
    return Examples(tuple(names), ("",) * len(first), paths, known, classes, groups, repeated, kind, label=reader.label)


def _check_files(path: Path, rows: list[_Row]) -> None:
    missing = [row for row in rows if not row.path.exists()]
    if missing:
        more = f" (and {len(missing) - 1} more rows name missing files)" if len(missing) > 1 else ""
        raise UserError(
            f"row {missing[0].number} of {path}: there is no file {missing[0].path}{more}; "
            f"paths are relative to the folder of the table"
        )


def _unique(path: Path, rows: list[_Row], labelled: bool) -> tuple[list[_Row], tuple[Skipped, ...]]:
    """The first row of each file in natural order of the paths, and the rows that repeat one."""
    first: dict[str, _Row] = {}
    repeated = []
    for row in rows:
        earlier = first.setdefault(os.path.normpath(row.path), row)
        if labelled and earlier.label != row.label:
            raise UserError(
                f"rows {earlier.number} and {row.number} of {path} give {row.path} the labels {earlier.label!r} and "
                f"{row.label!r}; keep one of them"
            )
        if earlier is not row:
            repeated.append(Skipped(row.path, f"row {row.number} repeats row {earlier.number}"))
    return [first[key] for key in sorted(first, key=natural)], tuple(repeated)
