"""Pictures in folders."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples, Skipped
from regraft.readers._base import Reader, natural
from regraft.readers._read import checked

_SYSTEM = frozenset({"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini"})  # hidden files by other names


@settings
class ImageFolder(Reader):
    """A folder of pictures with one sub-folder per class (or, where no labels are needed, any folder of pictures).

    Below a class folder any nesting will do. Hidden files are ignored; files beside the class folders have no class and
    are listed as skipped. Classes and pictures are in natural order (2 before 10).
    """

    @staticmethod
    def matches(path: Path) -> bool:
        """A folder."""
        return path.is_dir()

    def read(self, path: Path) -> Examples:
        """The pictures below ``path``.

        Raises:
            UserError: labels are needed and there are pictures, but no class folders.
        """
        files = sorted(_files(path), key=lambda file: natural(file.relative_to(path).as_posix()))
        if not self.labelled:
            return checked(_listed(path, files, None, ()))
        classes = sorted((p.name for p in path.iterdir() if p.is_dir() and not _hidden(p.name)), key=natural)
        inside = [file for file in files if file.parent != path]
        if files and not classes:
            raise UserError(f"{path} has no class folders; put the pictures of each class in a folder of its own")
        index = {name: i for i, name in enumerate(classes)}
        labels = np.array([index[file.relative_to(path).parts[0]] for file in inside], dtype=np.int64)
        beside = tuple(Skipped(file, "lies beside the class folders") for file in files if file.parent == path)
        return checked(replace(_listed(path, inside, labels, tuple(classes)), skipped=beside))


def _listed(root: Path, files: list[Path], labels: np.ndarray | None, classes: tuple[str, ...]) -> Examples:
    ids = tuple(file.relative_to(root).as_posix() for file in files)
    return Examples(ids, ("",) * len(ids), tuple(files), labels, classes)


def _files(root: Path) -> Iterator[Path]:
    """Every file below ``root`` that is not hidden; links are followed, but no folder is entered twice."""
    entered: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, onerror=_closed, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not _hidden(name))
        yield from (Path(folder, name) for name in names if not _hidden(name))


def _closed(error: OSError) -> None:
    """Without this ``os.walk`` passes over a folder that it may not list."""
    raise UserError(f"the folder {error.filename} cannot be listed ({error.strerror}); change its permissions")


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM
