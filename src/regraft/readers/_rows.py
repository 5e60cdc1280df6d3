"""Rows of a table, as text, whatever file they come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from regraft.core.errors import UserError
from regraft.data import columns
from regraft.data.members import Member
from regraft.readers import _arrow, _csv, _json_lines
from regraft.readers._cells import text_of

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Rows:
    """The rows of the file or folder ``path`` that are not blank.

    ``columns``: their names, stripped and in lower case. ``numbers`` (N): of CSV files the line that each row ends on,
    the header being line 1; of JSON lines the line; else counted from 1. ``cells`` (N): by column name; texts, stripped
    and empty where nothing is, or `Member`s. ``nested``: columns with lists or objects, whose cells are empty, and the
    first row with one.
    """

    path: Path
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    cells: tuple[dict[str, Any], ...]
    nested: Mapping[str, int] = field(default_factory=dict)

    def need(self, *names: str, filled: bool = True, fix: str = "fill it in or remove the row") -> None:
        """Refuse a table without these columns, or (if they must be ``filled``) a row without a value in one of them.

        ``fix``: what to do about such a row.

        Raises:
            UserError: names the column with the nearest name, or the row.
        """
        for name in names:
            if name not in self.columns:
                raise UserError(_no_column(self.path, name, self.columns))
        self.need_single(*names)
        for number, cell in zip(self.numbers, self.cells, strict=True):
            for name in names:
                if filled and not cell[name]:
                    raise UserError(f"row {number} of {self.path} has no {name}; {fix}")

    def need_single(self, *names: str) -> None:
        """Refuse lists, objects and bytes in these columns.

        Raises:
            UserError: names the first row with one.
        """
        for name in names:
            if name in self.nested:
                raise UserError(
                    f"row {self.nested[name]} of {self.path} has a list, an object or bytes for its {name}; give one "
                    f"text, number or date, or remove the column"
                )


def is_table(path: Path) -> bool:
    """Whether ``path`` is a file or folder whose rows can be loaded, by its ending or the files in it; cheap."""
    return (path.is_file() and path.suffix.lower() in ENDINGS) or _arrow.is_dataset(path)


def load(path: Path, limit: int | None = None) -> Rows:
    """All rows of a table, or the first ``limit``.

    Raises:
        UserError: it is damaged or not what its ending says, or two columns have one name; names the row or line where
            there is one.
    """
    lines = _rows(path)
    columns = tuple(name.strip().lower() for name in next(lines, (1, []))[1])
    _check_names(path, columns)
    nested: dict[str, int] = {}
    numbers, cells = [], []
    for number, row in islice(lines, limit):
        numbers.append(number)
        texts = [value if isinstance(value, Member) else text_of(value) for value in row]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise UserError(_no_text(path, f"row {number}"))
        for name, text in zip(columns, texts, strict=True):
            if text is None:
                nested.setdefault(name, number)
        cells.append({name: text or "" for name, text in zip(columns, texts, strict=True)})
    return Rows(path, columns, tuple(numbers), tuple(cells), nested)


def header(path: Path) -> tuple[str, ...]:
    """The names of the columns; none where the file cannot be read, which `load` will complain about."""
    try:
        status = path.stat()
        return _header(path, status.st_mtime_ns, status.st_size)
    except (UserError, OSError):
        return ()


@lru_cache(maxsize=8)
def _header(path: Path, changed: int, size: int) -> tuple[str, ...]:
    """Remembered while the file is as it was: every reader of tables asks."""
    return load(path, limit=0).columns


def _rows(path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    """The names of the columns, then the values of each row; each with its number."""
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return _csv.rows(path)
    return _json_lines.rows(path) if ending in (".jsonl", ".ndjson") else _arrow.rows(path)


def _check_names(path: Path, columns: Sequence[str]) -> None:
    if any("\0" in name for name in columns):
        raise UserError(_no_text(path, "the header"))
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise UserError(f"{path} has several columns with the name {twice[0]!r}; rename all but one")


def _no_text(path: Path, where: str) -> str:
    return (
        f"{where} of {path} has a NUL byte, which no text has: the file is damaged or in another encoding, such as "
        f"UTF-16; save it again in UTF-8"
    )


def _no_column(path: Path, name: str, known: Sequence[str]) -> str:
    if not known:
        return (
            f"{path} is empty; it needs a header with the columns path and label (or text and label, or label and any "
            f"others), and a row for each example"
        )
    near = get_close_matches(name, known, 1, 0.6)
    if name not in ("path", "text", "label"):
        return f"{path} has no column {name!r}; " + (
            f"did you mean --label {near[0]}?" if near else f"give --label one of: {', '.join(known)}"
        )
    other = ", or give --label" if name == "label" else ""
    if near:
        return f"{path} has no column {name!r}; did you mean {near[0]!r}? Rename it{other}"
    numbers = any(columns.number(one) is not None for one in known)
    row = "; if that is a row, put a line with names before it" if numbers else ""
    return f"{path} has no column {name!r}; name one so{other}; there are: {', '.join(known)}{row}"
