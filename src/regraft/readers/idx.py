"""Pictures in idx files, the form of MNIST."""

import gzip
import re
import zlib
from math import prod
from pathlib import Path

import numpy as np

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.readers._arrays import Loaded, examples_of
from regraft.readers._base import Reader
from regraft.readers._folders import holds_idx, is_idx

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@settings
class Idx(Reader):
    """Files of the form of MNIST: train-images-idx3-ubyte with train-labels-idx1-ubyte beside it, or .gz.

    What is given is the file of pictures, or a folder with one such pair. The file of labels is found by its name.
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A file with idx1, idx2, ... at the end of its name, or a folder with one."""
        return kind in ("auto", "image", "vector") and holds_idx(path)

    def read(self, path: Path) -> Examples:
        """The pictures of ``path``.

        Raises:
            UserError: a file is missing, damaged or of another form, or a folder holds several sets; names them.
        """
        file = _pictures_in(path) if path.is_dir() else path
        if "labels" in file.name:
            raise UserError(f"{file} holds labels; give the file of pictures beside it, {_beside(file, 'images')}")
        values = _load(file)
        labels = _load(_labels_of(file)) if self.labelled else None
        if labels is not None and labels.shape != values.shape[:1]:
            raise UserError(f"{file} has {len(values)} examples, but {len(labels)} labels; give the files of one set")
        return examples_of(Loaded(file, values, labels), self)


def _pictures_in(folder: Path) -> Path:
    files = sorted(p for p in folder.iterdir() if is_idx(p) and "labels" not in p.name)
    if len(files) != 1:
        there = f"{len(files)} sets of examples; give one: {', '.join(map(str, files))}" if files else "labels only"
        raise UserError(f"{folder} holds {there}")
    return files[0]


def _labels_of(file: Path) -> Path:
    """The file of labels beside ``file``, compressed or not."""
    name = _beside(file, "labels").removesuffix(".gz")
    found = [path for path in (file.with_name(name), file.with_name(f"{name}.gz")) if path.exists()]
    if not found or name == file.name:
        raise UserError(f"there is no file of labels {name} (or {name}.gz) beside {file}; put it there")
    return found[0]


def _beside(file: Path, what: str) -> str:
    """The name of the other file of a set: of ``labels``, or of ``images``."""
    other, dimensions = ("images", 1) if what == "labels" else ("labels", 3)
    return re.sub(r"idx\d", f"idx{dimensions}", file.name.replace(other, what))


def _load(file: Path) -> np.ndarray:
    """Magic number, sizes and values, all of the first byte first.

    Reference: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998, "File formats".
    """
    try:
        raw = file.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file} is corrupt or truncated ({error}); restore it") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _TYPES or len(raw) < 4 + 4 * raw[3]:
        raise UserError(f"{file} is not an idx file, whatever its name says; restore it")
    dtype, start = np.dtype(_TYPES[raw[2]]), 4 + 4 * raw[3]
    shape = tuple(np.frombuffer(raw, ">u4", raw[3], 4).tolist())
    if len(raw) != start + prod(shape) * dtype.itemsize:
        needed = start + prod(shape) * dtype.itemsize
        raise UserError(f"{file} is corrupt or truncated: {len(raw)} of {needed} bytes; restore it")
    return np.frombuffer(raw, dtype, offset=start).reshape(shape)
