"""What columns and arrays are called, without reading them."""

from pathlib import Path
from zipfile import ZipFile

from scipy.io import whosmat

from regraft.readers._arrays import LABELS
from regraft.readers._rows import header, is_table


def names_in(path: Path) -> tuple[str, ...]:
    """The names of the columns or arrays at ``path``, in lower case; none where there are none, or it is damaged.

    An array of labels by any of its usual names counts as ``label`` too, because that is how it is found.
    """
    if is_table(path):
        return header(path)
    try:
        names = tuple(name.strip().lower() for name in _arrays(path))
    except Exception:  # on damaged files the libraries raise nearly anything; reading them will tell
        return ()
    return (*names, "label") if set(LABELS) & set(names) else names


def _arrays(path: Path) -> list[str]:
    ending = path.suffix.lower()
    if ending == ".npz":
        with ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    return [name for name, _, _ in whosmat(path)] if ending == ".mat" else []
