"""Find an example again by the name that a report gives it."""

from functools import lru_cache
from pathlib import Path

from regraft.data.members import Member
from regraft.readers._base import kind_as, read


def member(name: str, kind: str) -> Member | None:
    """The example of ``kind`` that is called ``name``, as ``str`` of a `Member` says; None where ``name`` is a path.

    Raises:
        UserError: the file that it was part of cannot be read any more.
    """
    path, mark, place = name.rpartition("#")
    if not mark or not place.isdecimal() or Path(name).exists():  # it is the name of a file
        return None
    return _members(Path(path), kind).get(place)


@lru_cache(maxsize=2)
def _members(path: Path, kind: str) -> dict[str, Member]:
    found = read(path, labelled=False, kind=kind_as(path, kind)).items
    return {str(item.place): item for item in found if isinstance(item, Member)}
