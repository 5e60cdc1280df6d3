"""What a reader found: examples by stable id and by content, not yet decoded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import UserError
from regraft.core.labels import Labels, labels_of
from regraft.data._strata import sizes
from regraft.data.names import shared

# The picture formats that are opened, by Pillow's names. Formats that Pillow hands to another program (EPS, WMF) or
# recognises by its ending only (TGA) stay out: a data folder may come from anywhere.
PICTURES = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "ICO", "PCX", "DDS")


def noun(kind: str) -> str:
    """What one example of a kind is called."""
    return {"image": "picture", "audio": "recording", "table": "row"}.get(kind, kind)


@dataclass(frozen=True)
class Skipped:
    """A file that is not among the examples, and why, in words that follow the file's name."""

    path: Path
    reason: str

    @property
    def within(self) -> bool:
        """Whether it is a part of the file: a row of a table, or one of an array."""
        return self.reason.startswith(("row ", "number "))


@dataclass(frozen=True, eq=False)
class Examples:
    """N examples in a fixed order.

    ``kind``: of the raw material, such as ``image`` or ``text``. ``ids`` (N): unique and stable, for files the path
    relative to the root in posix form. ``digests`` (N): of the content, so equal examples have equal digests.
    ``items`` (N): what is decoded: the path of a picture, a `members.Member`, a text, or a `columns.Row`. ``labels``:
    int64 (N,), indices into ``classes``; or float64 (N,), numbers; or int64 (N, Z), 1 where an example has that one of
    the Z ``classes``, else 0; None means withheld. ``groups`` (N): what must stay on one side of every split (a
    patient, a video); None means that there are none. ``skipped``: the files that could not be examples. ``notes``:
    what else the reader found, in words. ``label``: what the labels are called: the column of a table.

    Raises:
        ValueError: the lengths differ, a label is not an index into ``classes``, or label sets are not of these.
    """

    ids: tuple[str, ...]
    digests: tuple[str, ...]
    items: tuple[Any, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()
    kind: str = "image"
    notes: tuple[str, ...] = ()
    label: str = "label"
    domains: np.ndarray | None = None

    def __post_init__(self) -> None:
        columns = [c for c in (self.digests, self.items, self.labels, self.groups, self.domains) if c is not None]
        if any(len(column) != len(self.ids) for column in columns):
            raise ValueError(f"columns of different lengths: {[len(self.ids), *map(len, columns)]}")
        if self.labelling is Labels.SETS:
            assert self.labels is not None
            if self.labels.shape[1] != len(self.classes) or not np.isin(self.labels, (0, 1)).all():
                raise ValueError(f"label sets must be 0 or 1 for each of the {len(self.classes)} labels")
        elif self.labels is not None and len(self.labels) and not self.numeric:
            low, high = int(self.labels.min()), int(self.labels.max())
            if low < 0 or high >= len(self.classes):
                raise ValueError(f"labels run from {low} to {high}, but there are {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def noun(self) -> str:
        """What one example is called."""
        return noun(self.kind)

    @property
    def numeric(self) -> bool:
        """Whether the labels are numbers."""
        return self.labelling is Labels.NUMBERS

    @property
    def labelling(self) -> Labels:
        """What the labels are."""
        return labels_of(self.labels)

    @cached_property
    def strata(self) -> np.ndarray:
        """What splits keep the shares of, (N,) int64: the classes; of numbers up to ten bins of nearly equal size.

        Of label sets (N, S): the labels, and, where some examples have none of them, that.

        Raises:
            ValueError: the labels are withheld.
        """
        if self.labels is None:
            raise ValueError("these examples have no labels")
        if self.labelling is Labels.SETS:
            bare = (self.labels.sum(1) == 0).astype(np.int64)[:, None]
            return np.hstack([self.labels, bare]) if bare.any() else self.labels
        if not self.numeric:
            return self.labels
        bins = int(np.clip(len(self.labels) // 5, 1, 10))
        edges = np.quantile(self.labels, np.linspace(0, 1, bins + 1)[1:-1]) if len(self.labels) else np.empty(0)
        return np.unique(np.searchsorted(edges, self.labels, side="right"), return_inverse=True)[1].astype(np.int64)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Examples":
        """The examples at ``indices`` (or where a boolean mask holds), in that order; same classes, nothing skipped."""
        chosen = np.asarray(indices)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        return Examples(
            ids=tuple(self.ids[i] for i in chosen),
            digests=tuple(self.digests[i] for i in chosen),
            items=tuple(self.items[i] for i in chosen),
            labels=None if self.labels is None else self.labels[chosen],
            classes=self.classes,
            groups=None if self.groups is None else tuple(self.groups[i] for i in chosen),
            kind=self.kind,
            label=self.label,
            domains=None if self.domains is None else self.domains[chosen],
        )

    def unlabelled(self) -> "Examples":
        """The same examples with their labels withheld; the class names stay."""
        return replace(self, labels=None)

    def counts(self) -> dict[str, int]:
        """Examples of each class, zeros included, in class order; empty where the labels are withheld.

        Numbers have no classes: all are counted together. An example with several labels counts for each.
        """
        if self.labels is None:
            return {}
        if self.numeric:
            return {"all": len(self.labels)}
        found = sizes(self.labels, len(self.classes))
        return {name: int(size) for name, size in zip(self.classes, found, strict=True)}

    @cached_property
    def fingerprint(self) -> str:
        """Of the contents, in order; not of labels and names, because what is decoded ignores them."""
        return hashlib.blake2b("".join(self.digests).encode(), digest_size=16).hexdigest()


def together(one: Examples, other: Examples) -> Examples:
    """The examples of both, of one kind, numbered afresh and without labels."""
    count = tuple(str(i) for i in range(len(one) + len(other)))
    return Examples(count, one.digests + other.digests, one.items + other.items, None, (), kind=one.kind)


def pooled(parts: Sequence[Examples]) -> Examples | None:
    """The labelled examples of several domains as those of one, in this order; ``domains`` says which each is from.

    Classes are those of all, matched by name (see `names.shared`); None where there are no parts.

    Raises:
        UserError: they are of different kinds, or their labels are.
    """
    if not parts:
        return None
    kinds, labels = ({getattr(p, of) for p in parts} for of in ("kind", "labelling"))
    if len(kinds) > 1 or len(labels) > 1:
        said = " and ".join(sorted(map(str, kinds if len(kinds) > 1 else labels)))
        raise UserError(f"sources that are taken together must be of one kind, and these are {said}")
    classes: tuple[str, ...] = ()
    for part in parts:
        named = shared(part.classes, classes)
        classes += tuple(name for place, name in enumerate(part.classes) if place not in named)
    return Examples(
        ids=tuple(f"{number}/{name}" for number, p in enumerate(parts) for name in p.ids),
        digests=tuple(digest for p in parts for digest in p.digests),
        items=tuple(item for p in parts for item in p.items),
        labels=np.concatenate([_renamed(p, classes) for p in parts]),
        classes=classes,
        groups=_regrouped(parts),
        kind=parts[0].kind,
        label=parts[0].label,
        domains=np.repeat(np.arange(len(parts)), [len(p) for p in parts]),
    )


def _renamed(part: Examples, classes: tuple[str, ...]) -> np.ndarray:
    """Its labels as indices into ``classes``, which name all of its own."""
    assert part.labels is not None
    places = shared(part.classes, classes)
    if part.labelling is Labels.CLASSES:
        return np.array([places[place] for place in range(len(part.classes))])[part.labels]
    if part.labelling is Labels.NUMBERS:
        return part.labels
    sets = np.zeros((len(part), len(classes)), dtype=np.int64)
    sets[:, [places[place] for place in range(len(part.classes))]] = part.labels
    return sets


def _regrouped(parts: Sequence[Examples]) -> tuple[str, ...] | None:
    if all(p.groups is None for p in parts):
        return None
    each = [(number, name) for number, p in enumerate(parts) for name in p.groups or p.ids]
    return tuple(f"{number}/{name}" for number, name in each)
