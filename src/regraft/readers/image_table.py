"""Pictures listed in a table."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples, Skipped
from regraft.readers._base import Reader
from regraft.readers._read import checked
from regraft.readers.image_folder import natural


@dataclass(frozen=True)
class _Row:
    number: int  # the line in the file, the header being line 1
    path: Path
    label: str
    group: str


@settings
class ImageTable(Reader):
    """A CSV file with a header and the columns path and label.

    Paths are relative to the file. A column ``group`` keeps examples together in every split (an empty one stands
    alone); other columns are ignored. Commas, semicolons and tabs separate; a byte-order mark is fine. Classes are in
    natural order, pictures in the order of their paths.
    """

    @staticmethod
    def matches(path: Path) -> bool:
        """A file that ends in .csv or .tsv."""
        return path.is_file() and path.suffix.lower() in (".csv", ".tsv")

    def read(self, path: Path) -> Examples:
        """The pictures that ``path`` lists.

        Raises:
            UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its
                file does not exist; names the row by its line in the file.
        """
        rows, grouped = self._rows(path)
        _check_files(path, rows)
        first, repeated = _unique(path, rows)
        names = [Path(os.path.relpath(row.path, path.parent)).as_posix() for row in first]
        classes = tuple(sorted({row.label for row in first}, key=natural)) if self.labelled else ()
        index = {name: i for i, name in enumerate(classes)}
        labels = np.array([index[row.label] for row in first], dtype=np.int64) if self.labelled else None
        groups = tuple(row.group or name for row, name in zip(first, names, strict=True)) if grouped else None
        paths = tuple(row.path for row in first)
        return checked(Examples(tuple(names), ("",) * len(first), paths, labels, classes, groups, repeated))

    def _rows(self, path: Path) -> tuple[list[_Row], bool]:
        """Every row that is not blank, and whether there is a column ``group``."""
        lines = _lines(path)
        _, header = next(lines, (1, []))
        columns = {name.strip().lower(): i for i, name in enumerate(header)}
        needed = ("path", "label") if self.labelled else ("path",)
        for name in needed:
            if name not in columns:
                raise UserError(_no_column(path, name, list(columns)))
        rows = []
        for number, cells in lines:
            cell = {name: cells[i].strip() if i < len(cells) else "" for name, i in columns.items()}
            for name in needed:
                if not cell[name]:
                    raise UserError(f"row {number} of {path} has no {name}; fill it in or remove the row")
            label = cell["label"] if self.labelled else ""
            rows.append(_Row(number, path.parent / cell["path"], label, cell.get("group", "")))
        return rows, "group" in columns


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=header.count))
            yield from ((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8 (byte {error.start}); save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise UserError(f"row {reader.line_num} of {path} is not valid CSV: {error}; correct that row") from error
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; check its permissions") from error


def _no_column(path: Path, name: str, known: list[str]) -> str:
    if not known:
        return f"{path} is empty; it needs a header with the columns path and label, and a row for each picture"
    near = get_close_matches(name, known, 1, 0.5)
    fix = f"did you mean {near[0]!r}? Rename it" if near else f"name one so; there are: {', '.join(known)}"
    return f"{path} has no column {name!r}; {fix}"


def _check_files(path: Path, rows: list[_Row]) -> None:
    missing = [row for row in rows if not row.path.exists()]
    if missing:
        more = f" (and {len(missing) - 1} more rows name missing files)" if len(missing) > 1 else ""
        raise UserError(
            f"row {missing[0].number} of {path}: there is no file {missing[0].path}{more}; "
            f"paths are relative to the folder of the table"
        )


def _unique(path: Path, rows: list[_Row]) -> tuple[list[_Row], tuple[Skipped, ...]]:
    """The first row of each file in natural order of the paths, and the rows that repeat one."""
    first: dict[str, _Row] = {}
    repeated = []
    for row in rows:
        earlier = first.setdefault(os.path.normpath(row.path), row)
        if earlier.label != row.label:
            raise UserError(
                f"rows {earlier.number} and {row.number} of {path} give {row.path} the labels {earlier.label!r} and "
                f"{row.label!r}; keep one of them"
            )
        if earlier is not row:
            repeated.append(Skipped(row.path, f"row {row.number} repeats row {earlier.number}"))
    return [first[key] for key in sorted(first, key=natural)], tuple(repeated)
