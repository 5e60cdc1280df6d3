"""Rows of a table file, as text."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from regraft.core.errors import UserError

ENDINGS = (".csv", ".tsv")


@dataclass(frozen=True)
class Rows:
    """The rows of the file ``path`` that are not blank.

    ``columns``: their names, stripped and in lower case. ``numbers`` (N): the line that each row ends on, the header
    being line 1. ``cells`` (N): by column name, stripped; a row that is too short has empty ones.
    """

    path: Path
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    cells: tuple[dict[str, str], ...]

    def need(self, *names: str, filled: bool = True) -> None:
        """Refuse a table without these columns, or (if they must be ``filled``) a row without a value in one of them.

        Raises:
            UserError: names the column with the nearest name, or the row.
        """
        for name in names:
            if name not in self.columns:
                raise UserError(_no_column(self.path, name, self.columns))
        for number, cell in zip(self.numbers, self.cells, strict=True):
            for name in names:
                if filled and not cell[name]:
                    raise UserError(f"row {number} of {self.path} has no {name}; fill it in or remove the row")


def load(path: Path, strict: bool = False) -> Rows:
    """All rows of a CSV file with a header; commas, semicolons and tabs separate, a byte-order mark is fine.

    ``strict``: every column is read, so cells without a column and columns of one name are not ignored.

    Raises:
        UserError: it is not CSV in UTF-8; names the row.
    """
    lines = _lines(path)
    _, header = next(lines, (1, []))
    columns = tuple(name.strip().lower() for name in header)
    if strict:
        _check_names(path, columns)
    numbers, cells = [], []
    for number, row in lines:
        if strict and any(cell.strip() for cell in row[len(columns) :]):
            raise UserError(
                f"row {number} of {path} has {len(row)} cells, but the header names {len(columns)} columns; "
                f"correct that row (text with a separator in it needs quotes)"
            )
        numbers.append(number)
        cells.append({name: row[i].strip() if i < len(row) else "" for i, name in enumerate(columns)})
    return Rows(path, columns, tuple(numbers), tuple(cells))


def header(path: Path) -> tuple[str, ...]:
    """The names of the columns; none where the file cannot be read, which `load` will complain about."""
    try:
        return tuple(name.strip().lower() for name in next(_lines(path), (1, []))[1])
    except UserError:
        return ()


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
            yield from ((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8 (byte {error.start}); save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise UserError(f"row {reader.line_num} of {path} is not valid CSV: {error}; correct that row") from error
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; check its permissions") from error


def _check_names(path: Path, columns: Sequence[str]) -> None:
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise UserError(f"{path} has several columns with the name {twice[0]!r}; rename all but one")


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
    fix = f"did you mean {near[0]!r}? Rename it" if near else f"name one so; there are: {', '.join(known)}"
    return f"{path} has no column {name!r}; {fix}" + (", or give --label" if name == "label" else "")
