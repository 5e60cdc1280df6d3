"""Files listed in a table, whatever they hold."""

import os
from dataclasses import dataclass
from pathlib import Path

from regraft.core.errors import UserError
from regraft.data.examples import Examples, Skipped
from regraft.data.members import Member
from regraft.readers._base import Reader, natural, targets
from regraft.readers._folders import sounding
from regraft.readers._hear import known_start
from regraft.readers._rows import header, is_table, load
from regraft.readers._sets import Cell, label_cells

_ENOUGH = 1000  # rows that tell what a table lists


@dataclass(frozen=True)
class _Row:
    number: int  # the line in the file, the header being line 1
    item: Path | Member
    label: Cell
    group: str

    @property
    def key(self) -> str:
        """The same for rows of one file."""
        return os.path.normpath(self.item) if isinstance(self.item, Path) else str(self.item)


def lists_files(path: Path, kind: str, asked: str) -> bool:
    """Whether ``path`` is a table whose column path names files of ``kind``, or holds them.

    That is so if that kind was asked for, or, where none was (``auto``), if there is no column text and most of the
    files are of that kind, by their endings or first bytes.
    """
    if asked not in ("auto", kind) or not is_table(path) or "path" not in header(path):
        return False
    if asked == kind:
        return True
    return "text" not in header(path) and (kind == "audio") == _lists_sounds(path)


def in_table(path: Path, reader: Reader, kind: str) -> Examples:
    """The files that ``path`` lists or holds as examples of ``kind``, not yet opened.

    ``reader``: whose options say where the labels are, if they are wanted, and what they are.

    Raises:
        UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its file
            does not exist; names the row by its line in the file.
    """
    table = load(path)
    table.need("path")
    labels = label_cells(table, reader.label, reader.task) if reader.labelled else [""] * len(table.cells)
    beside = path if path.is_dir() else path.parent
    rows = [
        _Row(number, _file(cell["path"], beside), label, cell.get("group", ""))
        for number, cell, label in zip(table.numbers, table.cells, labels, strict=True)
    ]
    _check_files(path, rows)
    first, repeated = _unique(path, rows, reader.labelled)
    names = [_named(row.item, beside) for row in first]
    known, classes = targets([row.label for row in first], reader.task) if reader.labelled else (None, ())
    grouped = "group" in table.columns
    groups = tuple(row.group or name for row, name in zip(first, names, strict=True)) if grouped else None
    items = tuple(row.item for row in first)
    return Examples(tuple(names), ("",) * len(first), items, known, classes, groups, repeated, kind, label=reader.label)


def _file(found: str | Member, beside: Path) -> Path | Member:
    return found if isinstance(found, Member) else beside / found


def _named(item: Path | Member, beside: Path) -> str:
    return Path(os.path.relpath(item, beside)).as_posix() if isinstance(item, Path) else f"row {item.place}"


def _lists_sounds(path: Path) -> bool:
    files = [cell["path"] for cell in load(path, limit=_ENOUGH).cells]
    return 2 * sum(_sounds(file) for file in files) > len(files)


def _sounds(file: str | Member) -> bool:
    if isinstance(file, str):
        return sounding([file])
    return isinstance(file.content, bytes) and known_start(file.content)


def _check_files(path: Path, rows: list[_Row]) -> None:
    missing = [row for row in rows if isinstance(row.item, Path) and not row.item.exists()]
    if missing:
        more = f" (and {len(missing) - 1} more rows name missing files)" if len(missing) > 1 else ""
        raise UserError(
            f"row {missing[0].number} of {path}: there is no file {missing[0].item}{more}; "
            f"paths are relative to the folder of the table"
        )


def _unique(path: Path, rows: list[_Row], labelled: bool) -> tuple[list[_Row], tuple[Skipped, ...]]:
    """The first row of each file in natural order of the paths, and the rows that repeat one."""
    first: dict[str, _Row] = {}
    repeated = []
    for row in rows:
        earlier = first.setdefault(row.key, row)
        if labelled and earlier.label != row.label:
            raise UserError(
                f"rows {earlier.number} and {row.number} of {path} give {row.item} the labels {earlier.label!r} and "
                f"{row.label!r}; keep one of them"
            )
        if earlier is not row:
            repeated.append(Skipped(Path(row.key), f"row {row.number} repeats row {earlier.number}"))
    return [first[key] for key in sorted(first, key=natural)], tuple(repeated)
