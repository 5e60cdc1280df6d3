"""Raw examples to arrays, once: remembered on disk as memory maps."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from regraft.data.examples import Examples

_LOG = logging.getLogger("regraft")
_BLOCK = 64 * 2**20  # bytes decoded between two writes: bounds the memory that a first reading takes


class Form(Protocol):
    """What examples are decoded to: an array of ``shape`` and ``dtype`` for each; ``key`` names it in the cache."""

    @property
    def key(self) -> str:
        """Differs where the arrays would."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""

    @property
    def dtype(self) -> np.dtype:
        """Of the arrays."""

    def decode(self, items: Sequence[Any]) -> np.ndarray:
        """The arrays (N, ...) of N items of `Examples`."""


def decoded(examples: Examples, form: Form, cache: Path | None) -> np.ndarray:
    """``examples`` in a form, remembered in ``cache`` as a read-only memory map; decoded afresh if that is damaged.

    Keyed by the contents in their order: decode a set whole and index the result, rather than decoding its parts. If
    the cache cannot be written (a full disk), the arrays are kept in memory and one warning is logged.

    Returns:
        (N, ...) of the form's shape and dtype.

    Raises:
        UserError: an example cannot be read.
    """
    if cache is None or not len(examples):
        return form.decode(examples.items)
    file = cache / "decoded" / f"{examples.fingerprint}-{form.key}.npy"
    shape = (len(examples), *form.shape)
    found = _recall(file, shape, form.dtype)
    if found is None:
        try:
            _remember(file, examples.items, form)
        except OSError as error:
            _LOG.warning("cannot write %s (%s); it is kept in memory for this run", file, error.strerror or error)
        else:
            found = _recall(file, shape, form.dtype)
    return form.decode(examples.items) if found is None else found


def trim(cache: Path, limit_bytes: int) -> int:
    """Remove the least recently used files below ``cache`` until at most ``limit_bytes`` are left; bytes removed.

    A file that a process has mapped stays readable to it after its removal (on POSIX systems).
    """
    found = []
    for path in cache.rglob("*"):
        with contextlib.suppress(OSError):  # another process may be trimming too
            status = path.stat()
            if path.is_file():
                found.append((max(status.st_atime_ns, status.st_mtime_ns), status.st_size, path))
    excess = sum(size for _, size, _ in found) - limit_bytes
    removed = 0
    for _, size, path in sorted(found):
        if removed >= excess:
            break
        path.unlink(missing_ok=True)
        removed += size
    return removed


def _recall(file: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
    """The remembered arrays, or None where there are none or the file is damaged."""
    try:
        found = np.lib.format.open_memmap(file, mode="r")  # np.load would also open archives and pickles
    except Exception:  # whatever is wrong with the file, it is made again
        return None
    if found.shape != shape or found.dtype != dtype:
        return None
    with contextlib.suppress(OSError):  # a cache that may only be read is still a cache
        os.utime(file)  # used now: see trim
    return found


def _remember(file: Path, items: Sequence[Any], form: Form) -> None:
    """Decode into ``file`` in blocks; nothing is left of it unless all of it was written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as temporary:
        try:
            # Plain writes, not a writable map: on a full disk a write raises, a map kills the process.
            _write(temporary.file, items, form)
            temporary.close()
            os.replace(temporary.name, file)
        except BaseException:
            os.unlink(temporary.name)
            raise


def _write(file: IO[bytes], items: Sequence[Any], form: Form) -> None:
    header = {"descr": form.dtype.str, "fortran_order": False, "shape": (len(items), *form.shape)}
    np.lib.format.write_array_header_1_0(file, header)
    step = max(1, _BLOCK // (int(np.prod(form.shape)) * form.dtype.itemsize))
    for start in range(0, len(items), step):
        file.write(np.ascontiguousarray(form.decode(items[start : start + step])).data)
