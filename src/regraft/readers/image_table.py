"""Pictures listed in a table."""

import os
from dataclasses import dataclass
from pathlib import Path

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples, Skipped
from regraft.readers._base import Reader, natural, targets
from regraft.readers._read import checked
from regraft.readers._rows import ENDINGS, header, load


@dataclass(frozen=True)
class _Row:
    number: int  # the line in the file, the header being line 1
    path: Path
    label: str
    group: str


@settings
class ImageTable(Reader):
    """A CSV file with a header and the columns path and label (or what --label names).

    Paths are relative to the file. A column ``group`` keeps examples together in every split (an empty one stands
    alone); other columns are ignored. Commas, semicolons and tabs separate; a byte-order mark is fine. Classes are in
    natural order, pictures in the order of their paths.
    """

    @staticmethod
    def matches(path: Path) -> bool:
        """A file that ends in .csv or .tsv and has a column path, but no column text."""
        return path.is_file() and path.suffix.lower() in ENDINGS and _has_paths(header(path))

    def read(self, path: Path) -> Examples:
        """The pictures that ``path`` lists.

        Raises:
            UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its
                file does not exist; names the row by its line in the file.
        """
        table = load(path)
        table.need(*(("path", self.label) if self.labelled else ("path",)))
        rows = [
            _Row(number, path.parent / cell["path"], cell.get(self.label, ""), cell.get("group", ""))
            for number, cell in zip(table.numbers, table.cells, strict=True)
        ]
        _check_files(path, rows)
        first, repeated = _unique(path, rows, self.labelled)
        names = [Path(os.path.relpath(row.path, path.parent)).as_posix() for row in first]
        labels, classes = targets([row.label for row in first], self.task) if self.labelled else (None, ())
        grouped = "group" in table.columns
        groups = tuple(row.group or name for row, name in zip(first, names, strict=True)) if grouped else None
        paths = tuple(row.path for row in first)
        return checked(
            Examples(tuple(names), ("",) * len(first), paths, labels, classes, groups, repeated, label=self.label)
        )


def _has_paths(columns: tuple[str, ...]) -> bool:
    return "path" in columns and "text" not in columns


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
