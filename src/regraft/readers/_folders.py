"""Files in folders, whatever they hold."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from regraft.core.errors import UserError
from regraft.data.examples import Examples, Skipped
from regraft.data.sounds import SOUNDS
from regraft.readers._arrow import is_dataset
from regraft.readers._base import natural

_SYSTEM = frozenset({"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini"})  # hidden files by other names
_IDX = re.compile(r"[-.]idx\d(-[a-z]+)?(\.gz)?$")
_ENOUGH = 10_000  # files whose endings tell what a folder holds


def in_folders(path: Path, labelled: bool, kind: str) -> Examples:
    """The files below ``path`` as examples of ``kind``, not yet opened; the folders in it are the classes.

    Raises:
        UserError: labels are needed and there are files, but no class folders.
    """
    files = sorted(_files(path), key=lambda file: natural(file.relative_to(path).as_posix()))
    if not labelled:
        return _listed(path, files, (), kind)
    classes = sorted((p.name for p in path.iterdir() if p.is_dir() and not _hidden(p.name)), key=natural)
    inside = [file for file in files if file.parent != path]
    listed = _listed(path, inside, tuple(classes), kind)
    if files and not classes:
        raise UserError(f"{path} has no class folders; put the {listed.noun}s of each class in a folder of its own")
    index = {name: i for i, name in enumerate(classes)}
    labels = np.array([index[file.relative_to(path).parts[0]] for file in inside], dtype=np.int64)
    beside = tuple(Skipped(file, "lies beside the class folders") for file in files if file.parent == path)
    return replace(listed, labels=labels, skipped=beside)


def is_idx(file: Path) -> bool:
    """Whether a file is of the form of MNIST, by its name."""
    return bool(_IDX.search(file.name.lower()))


def holds_idx(path: Path) -> bool:
    """Whether ``path`` is such a file, or a folder with one."""
    try:
        return any(map(is_idx, path.iterdir() if path.is_dir() else [path]))
    except OSError:  # listing it as a folder of files says what is wrong
        return False


def holds_files(path: Path, kind: str, asked: str) -> bool:
    """Whether ``path`` is a folder of files of ``kind``: the one ``asked`` for, or (``auto``) that of most."""
    if asked not in ("auto", kind) or not path.is_dir() or is_dataset(path) or holds_idx(path):
        return False
    return asked == kind or (kind == "audio") == sounding([file.name for file in islice(_files(path), _ENOUGH)])


def sounding(names: Sequence[str]) -> bool:
    """Whether more than half of the ``names`` of files are those of recordings."""
    return 2 * sum(name.lower().endswith(SOUNDS) for name in names) > len(names)


def _listed(root: Path, files: list[Path], classes: tuple[str, ...], kind: str) -> Examples:
    ids = tuple(file.relative_to(root).as_posix() for file in files)
    return Examples(ids, ("",) * len(ids), tuple(files), None, classes, kind=kind)


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
