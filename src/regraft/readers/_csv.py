"""The rows of CSV files."""

import csv
from collections.abc import Iterator
from pathlib import Path

from regraft.core.errors import UserError


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header, then every row that is not blank, as cells; each with the line that it ends on, the header's being 1.

    Commas, semicolons and tabs separate, a byte-order mark is fine.

    Raises:
        UserError: it is not CSV in UTF-8, or a row has more or fewer cells than there are columns; names the row.
    """
    lines = _lines(path)
    first, header = next(lines, (1, []))
    yield first, header
    for number, row in lines:
        if len(row) < len(header) or any(cell.strip() for cell in row[len(header) :]):
            cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
            raise UserError(
                f"row {number} of {path} has {cells}, but the header names {len(header)} columns; correct that row "
                f"(text with a separator in it needs quotes, an empty cell its separator)"
            )
        yield number, row[: len(header)]


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    begun = 1  # where the row begins that is being read: one whose quote is never closed ends far below
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
                begun = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8 (byte {error.start}); save it as CSV in UTF-8") from error
    except csv.Error as error:
        if "field limit" in str(error):
            raise UserError(_too_long(path, begun)) from error
        raise UserError(
            f"row {begun} of {path} is not valid CSV ({error}); close the quote that opens a cell, and write a quote "
            f"inside one twice"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; check its permissions") from error


def _too_long(path: Path, number: int) -> str:
    return (
        f"row {number} of {path} has a cell of more than {csv.field_size_limit():,} characters, most often because a "
        f"quote is never closed; correct or shorten that row, or give the data as JSON lines"
    )
