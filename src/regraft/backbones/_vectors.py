"""Files of word vectors in text form."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path

from regraft.core.errors import UserError


def rows_of(path: Path, wanted: Collection[str], common: int) -> Iterator[tuple[str, list[float]]]:
    """The first ``common`` words of the file with their vectors, and those further down that are ``wanted``.

    In the order of the file, each once. Only their numbers are read, so that a file of two million words takes
    seconds. A line whose word is not UTF-8 is passed over.

    Raises:
        UserError: there is no such file, or a line does not hold as many numbers as the others.
    """
    width = width_of(path)
    seen: set[str] = set()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            name, _, numbers = line.rstrip().partition(b" ")
            if number == 1 and _is_header(line):
                continue
            try:
                word = name.decode()
            except UnicodeDecodeError:
                continue
            if word not in seen and (len(seen) < common or word in wanted):
                seen.add(word)
                yield word, _numbers(numbers, width, number, path)


def width_of(path: Path) -> int:
    """How many numbers a vector of the file has.

    Raises:
        UserError: there is no such file, or it does not hold word vectors.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 20)
            line = file.readline(1 << 20) if _is_header(first) else first
    except OSError as error:
        raise UserError(f"the word vectors {path} cannot be read: {error.strerror}; check the path") from error
    width = len(line.split()) - 1
    if width < 2:
        raise UserError(f"{path} does not hold word vectors: each line needs a word and its numbers, spaces between")
    return width


def _is_header(line: bytes) -> bool:
    """word2vec and fastText begin with the count of words and that of numbers."""
    return len(line.split()) == 2 and all(part.isdigit() for part in line.split())


def _numbers(text: bytes, width: int, line: int, path: Path) -> list[float]:
    parts = text.split()
    if len(parts) != width:
        raise UserError(f"line {line} of {path} has {len(parts)} numbers, the first has {width}; repair the file")
    try:
        found = [float(part) for part in parts]
        if not all(map(math.isfinite, found)):
            raise ValueError("not finite")
        return found
    except ValueError as error:
        raise UserError(
            f"line {line} of {path} does not hold finite numbers after its word; repair the file"
        ) from error
