"""The labelled data of a source, written ``data:PATH`` or ``data:PATH?label=COLUMN``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from regraft.core.errors import UserError, unknown
from regraft.core.labels import Labels
from regraft.data.examples import Examples, pooled
from regraft.readers._base import kind_as, read
from regraft.readers._names import names_in
from regraft.readers._sets import label_columns

AVERAGE = "average:"
"""What the mean of several sources begins with."""
_DATA = "data:"
_OPTIONS = ("label", "task", "kind")


def members_of(uri: str) -> tuple[str, ...]:
    """The sources of which ``average:A+B`` is the mean; none where the source is not a mean.

    Raises:
        UserError: there are fewer than two, or one of them is a mean or named twice.
    """
    if not uri.startswith(AVERAGE):
        return ()
    found = tuple(part.strip() for part in uri.removeprefix(AVERAGE).split("+"))
    if len(found) < 2 or len(set(found)) < len(found) or not all(found) or any(m.startswith(AVERAGE) for m in found):
        raise UserError(
            f"source {uri!r}: a mean is of two or more different sources with + between them, as in "
            f"average:runs/birds+runs/insects"
        )
    return found


def parts_of(uri: str) -> tuple[str, ...]:
    """The domains of the labelled data ``data:A+data:B``, which are one source; itself where there is one."""
    if Path(uri.removeprefix(_DATA)).exists():  # a plus sign may be part of a name
        return (uri,)
    first, *others = uri.split(f"+{_DATA}")
    return (first, *(f"{_DATA}{other}" for other in others))


def single(uris: Iterable[str]) -> tuple[str, ...]:
    """The sources and, in the place of a mean, its members, each once."""
    return tuple(dict.fromkeys(one for uri in uris for one in members_of(uri) or (uri,)))


def place_of(uri: str) -> tuple[Path, dict[str, Any]]:
    """The path of ``data:PATH?option=value&option=value``, and the options of its reader that differ from the target's.

    Raises:
        UserError: nothing is there, or it has no such option.
    """
    place = uri.removeprefix("data:")
    if Path(place).exists():  # a question mark may be part of a name
        return Path(place), {}
    path, _, query = place.partition("?")
    if not Path(path).exists():
        raise UserError(f"source {uri!r}: there is no folder or file {path!r}; check the path")
    given: dict[str, Any] = dict(parse_qsl(query))
    if query.count("=") != len(given) or not given:
        raise UserError(f"source {uri!r}: write an option after the path as ?label=COLUMN, several with & between them")
    for name in given:
        if name not in _OPTIONS:
            raise unknown(f"option of source {uri!r}", name, _OPTIONS)
    return Path(path), given


def labelled_data(uri: str, target: Examples | None = None) -> Examples:
    """The labelled data of a source, of all its domains.

    Where the source does not say it, labels are in the column or array of the ``target``'s name if it has one, else in
    ``label``, and are taken for what those of the target are.

    Raises:
        UserError: it cannot be read, or has no such column; see also `place_of`.
    """
    if len(parts := parts_of(uri)) > 1:
        found = pooled([labelled_data(part, target) for part in parts])
        assert found is not None
        return found
    path, given = place_of(uri)
    if target is None:
        return read(path, **given)
    names, wanted = names_in(path), given.get("label", target.label).lower()
    here = set(label_columns(wanted)) <= set(names)
    if not here and ("label" in given or (names and "label" not in names)):
        what = "array" if path.suffix.lower() in (".npz", ".mat") else "column"
        raise UserError(
            f"source data:{path} has no {what} {wanted!r}; say which one holds its labels, as "
            f"data:{path}?label={what.upper()}; there are: {', '.join(names) or 'no columns'}"
        )
    task = target.labelling.task if here and target.labelling is not Labels.CLASSES else "auto"
    options: dict[str, Any] = {"label": wanted if here else "label", "kind": kind_as(path, target.kind), "task": task}
    return read(path, **(options | given))
