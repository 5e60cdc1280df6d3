"""Pictures or vectors in MATLAB files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.readers._arrays import chosen, examples_of
from regraft.readers._base import Reader


@settings
class Mat(Reader):
    """A MATLAB file (.mat up to version 7) with the arrays x and y: pictures or vectors, and their labels.

    Names, shapes and values are as in NumPy files; examples may also lie along the last axis. Labels may be a cell
    array of texts.
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A file that ends in .mat."""
        return kind in ("auto", "image", "vector") and path.is_file() and path.suffix.lower() == ".mat"

    def read(self, path: Path) -> Examples:
        """The examples in ``path``.

        Raises:
            UserError: it is damaged or of version 7.3, an array is missing (with the nearest name), or shapes or values
                are not those of pictures or vectors.
        """
        return examples_of(chosen(path, _load(path), self), self)


def _load(path: Path) -> Mapping[str, np.ndarray]:
    try:
        found = loadmat(path)
    except NotImplementedError as error:
        raise UserError(f"{path} is of MATLAB's version 7.3; save it with -v7, or its arrays as .npz") from error
    except (
        Exception
    ) as error:  # on damaged files SciPy raises nearly anything: MatReadError, zlib.error, TypeError, ...
        raise UserError(
            f"{path} is no MATLAB file, or a damaged one ({error or type(error).__name__}); restore it"
        ) from error
    return {name: _plain(array) for name, array in found.items() if not name.startswith("__")}


def _plain(array: np.ndarray) -> np.ndarray:
    """A cell array of texts as an array of them."""
    if array.dtype != object:
        return array
    return np.array([str(cell.item()) if np.size(cell) == 1 else "" for cell in array.reshape(-1)])
