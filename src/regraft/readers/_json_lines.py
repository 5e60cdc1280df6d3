"""The rows of JSON lines: an object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regraft.core.errors import UserError


def rows(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """The names of all fields, then the values of every line that is not blank; each with its number, from 1.

    A field that a line lacks is None there.

    Raises:
        UserError: it is not JSON lines in UTF-8; names the line.
    """
    found = list(_objects(path))
    names = list(dict.fromkeys(name for _, one in found for name in one))
    yield 0, names
    for number, one in found:
        yield number, [one.get(name) for name in names]


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _object(path, number, line)
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; check its permissions") from error


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"line {number} of {path} is not text in UTF-8; save it as JSON lines in UTF-8") from error
    except (ValueError, RecursionError) as error:  # a number of more than 4300 digits is a ValueError, too
        said = getattr(error, "msg", "") or error
        raise UserError(f"line {number} of {path} is not valid JSON: {said}; correct that line") from error
    if not isinstance(found, dict):
        raise UserError(
            f"line {number} of {path} is no JSON object; give one on each line, such as "
            f'{{"text": "where is my card?", "label": "card"}}'
        )
    return found
