"""Find entries by name. A folder is a catalogue; a file in it is an entry.

``divergences/coral.py`` is the divergence named ``coral``; ``methods/parameter/l2_sp.py`` is the method ``l2_sp`` of
the family ``parameter``. Files that start with an underscore are not entries. Other packages add entries through the
entry-point group ``regraft.<catalogue>``. Listing reads the folder and imports nothing.
"""

import hashlib
import importlib
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from regraft.core.errors import unknown

ROOT = Path(__file__).parent.parent
KINDS = (
    "readers", "preprocessing", "backbones", "tasks", "heads", "divergences", "scores", "weightings", "alignments",
    "terms", "edits", "selectors", "methods",
)  # fmt: skip


@cache
def files(kind: str) -> dict[str, Path]:
    """Name and file of every entry of ``kind`` in this package, sorted by name."""
    if kind not in KINDS:
        raise unknown("catalogue", kind, KINDS)
    found = {p.stem: p for p in (ROOT / kind).rglob("*.py") if p.name[0] != "_"}
    return dict(sorted(found.items()))


def names(kind: str) -> list[str]:
    """Every entry of ``kind``, sorted, those of other packages included."""
    return sorted({*files(kind), *(e.name for e in entry_points(group=f"regraft.{kind}"))})


def find(kind: str, name: str) -> Any:
    """The one public class that the entry ``name`` of ``kind`` defines; options after a ``?`` do not matter.

    Raises:
        UserError: there is no such entry; the message has the nearest name.
    """
    name = name.partition("?")[0]
    path = files(kind).get(name)
    if path is None:
        for entry in entry_points(group=f"regraft.{kind}", name=name):
            return entry.load()
        raise unknown(kind.removesuffix("s"), name, names(kind), f"regraft list {kind}")
    module = importlib.import_module(".".join(("regraft", *path.relative_to(ROOT).with_suffix("").parts)))
    classes = [v for k, v in vars(module).items() if isinstance(v, type) and k[0] != "_"]
    own = [cls for cls in classes if cls.__module__ == module.__name__]
    if len(own) != 1:
        raise TypeError(f"{module.__name__} must define exactly one public class, found {len(own)}")
    return own[0]


def name_of(cls: type) -> str | None:
    """The catalogue name of ``cls``, or None for a class outside the catalogues."""
    parts = cls.__module__.split(".")
    own = len(parts) > 2 and parts[0] == "regraft" and parts[1] in KINDS and parts[-1][0] != "_"
    return parts[-1] if own else None


def called(cls: type) -> str:
    """What ``cls`` is called in sentences: its catalogue name, or that of the class outside the catalogues."""
    return name_of(cls) or cls.__name__


def filed(name: str) -> str:
    """``name`` as a part of the names of files: options after a ``?`` are told apart by a digest."""
    plain, _, options = name.partition("?")
    return f"{plain}-{hashlib.blake2b(options.encode(), digest_size=4).hexdigest()}" if options else plain
