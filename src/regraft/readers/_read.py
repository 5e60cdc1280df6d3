"""Open every listed file once: whether it can be read, and its digest."""

import hashlib
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from regraft.core.errors import UserError
from regraft.data.channels import read_planes
from regraft.data.examples import PICTURES, Examples, Skipped
from regraft.data.members import Member, opened
from regraft.readers import _hear
from regraft.readers._hear import size_of

LARGEST = 178_956_970  # pixels: where Pillow, too, takes a picture for an attack (twice its MAX_IMAGE_PIXELS)
_TOO_LARGE = f"larger than {LARGEST // 10**6} megapixels; make it smaller"

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or its complaints about odd files land on stderr


def checked(listed: Examples) -> Examples:
    """``listed`` with digests, without the files that cannot be read: those join ``skipped``, with the reason.

    Each file is decoded once, in threads. A JPEG is decoded at an eighth of its size, which still reads the entire
    stream and so sees a truncation.

    Raises:
        UserError: the library for this kind of example is not installed.
    """
    listener = _hear.Listener()
    results = _examine(listed.items, {"image": _fault, "audio": listener.fault}[listed.kind])
    good = [i for i, (_, fault) in enumerate(results) if not fault]
    bad = tuple(_skipped(item, fault) for item, (_, fault) in zip(listed.items, results, strict=True) if fault)
    filled = replace(listed, digests=tuple(digest for digest, _ in results)).take(good)
    return replace(filled, skipped=listed.skipped + bad, notes=(*listed.notes, *listener.notes))


def _skipped(item: Path | Member, fault: str) -> Skipped:
    return Skipped(item, fault) if isinstance(item, Path) else Skipped(item.path, f"number {item.place}: {fault}")


def _examine(items: Sequence[Path | Member], fault: Callable[[BinaryIO], str]) -> list[tuple[str, str]]:
    """Digest and fault of each file, as ``fault`` finds it; one of the two is empty."""
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of sizes that are still fine
        return list(pool.map(partial(_check, fault), items))


def _check(examine: Callable[[BinaryIO], str], item: Path | Member) -> tuple[str, str]:
    try:
        if isinstance(item, Path) and item.exists() and not item.is_file():  # opening a pipe would wait forever
            return "", "not a regular file"
        inside = opened(item)
        with inside.open("rb") if isinstance(inside, Path) else inside as file:
            fault = examine(file)
            if fault:
                return "", fault
            file.seek(0)
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest(), ""
    except OSError as error:
        return "", f"cannot be opened: {error.strerror or error}"


def _fault(file: BinaryIO) -> str:
    """Why ``file`` is not a readable picture; empty if it is one."""
    if not size_of(file):
        return "empty file"
    try:
        if read_planes(file) is not None:
            return ""
        with Image.open(file, formats=PICTURES) as picture:
            if picture.width * picture.height > LARGEST:
                return _TOO_LARGE
            picture.draft("L", (1, 1))
            picture.load()
    except Image.DecompressionBombError:
        return _TOO_LARGE
    except UnidentifiedImageError:
        return "not a picture"
    except UserError:  # a library is missing
        raise
    except Exception as error:  # on damaged files Pillow raises nearly anything: SyntaxError, struct.error, ...
        return f"corrupt or truncated picture: {error or type(error).__name__}"
    return ""
