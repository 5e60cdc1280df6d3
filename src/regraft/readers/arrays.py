"""Pictures or vectors in NumPy files."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.readers._arrays import Loaded, chosen, examples_of
from regraft.readers._base import Reader

_MAGIC = (b"\x93NUMPY", b"PK\x03\x04")


@settings
class Arrays(Reader):
    """A NumPy file (.npz) with the arrays x and y: pictures or vectors, and their labels.

    Other names for x are data, images, features and fts, for y label, labels, target and targets, and what ``--label``
    names. Pictures are (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels and values up to 1, 255 or
    65535; vectors are (N, D). Where no labels are needed, a .npy file will do. Python objects are never opened.
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A file that ends in .npz or .npy."""
        return kind in ("auto", "image", "vector") and path.is_file() and path.suffix.lower() in (".npz", ".npy")

    def read(self, path: Path) -> Examples:
        """The examples in ``path``.

        Raises:
            UserError: it is damaged or holds objects, an array is missing (with the nearest name), or shapes or values
                are not those of pictures or vectors.
        """
        try:
            with path.open("rb") as file:
                arrays = self._chosen(path, file)
        except UserError:
            raise
        except Exception as error:  # on damaged files NumPy raises nearly anything: BadZipFile, zlib.error, ...
            if "allow_pickle" in str(error):
                raise UserError(f"{path} holds Python objects, which could run code; save arrays of numbers") from error
            raise UserError(f"{path} is corrupt or truncated ({error or type(error).__name__}); restore it") from error
        if self.labelled and arrays.labels is None:
            raise UserError(f"{path} has no labels; save it as .npz, with arrays x and y")
        return examples_of(arrays, self)

    def _chosen(self, path: Path, file: BinaryIO) -> Loaded:
        """The arrays of the opened ``file``: those of an archive are read only if they are asked for."""
        if not file.read(len(_MAGIC[0])).startswith(_MAGIC):
            raise UserError(f"{path} is not a NumPy file, whatever its ending says; save it with numpy.savez")
        file.seek(0)
        found = np.load(file, allow_pickle=False)
        return Loaded(path, found, None) if isinstance(found, np.ndarray) else chosen(path, found, self)
