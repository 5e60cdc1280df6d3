"""Arrays of pictures or vectors as examples, whatever file they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import UserError
from regraft.data.examples import Examples, Skipped
from regraft.data.members import Member
from regraft.readers._base import Reader, targets
from regraft.readers._cells import text_of

DATA = ("x", "data", "images", "features", "fts")
"""Names of the array that holds the examples, in any case."""
LABELS = ("y", "label", "labels", "target", "targets")
"""Names of the array that holds the labels, in any case, unless --label names one."""
_CHANNELS = (1, 3, 4)
_WHITE = (1.0, 255.0, 65535.0)
"""Values that may stand for white: the lowest that no pixel of the file is above."""


@dataclass(frozen=True)
class Loaded:
    """``values`` (N, ...) of N examples, and ``labels`` (N,) or None where they are not wanted."""

    path: Path
    values: np.ndarray
    labels: np.ndarray | None
    notes: tuple[str, ...] = ()


def chosen(path: Path, found: Mapping[str, np.ndarray], reader: Reader) -> Loaded:
    """The examples and labels among the arrays of a file, by their names.

    Raises:
        UserError: there are none (with the nearest name), or they differ in number.
    """
    names = {name.strip().lower(): name for name in found}
    values = found[names[_named(path, names, DATA, "examples")]]
    wanted = LABELS if reader.label == "label" else (reader.label,)
    labels = None
    if reader.labelled or set(wanted) & set(names):
        labels = _column(path, found[names[_named(path, names, wanted, "labels")]])
    values, notes = _examples_first(path, values, labels)
    return Loaded(path, values, labels if reader.labelled else None, notes)


def examples_of(arrays: Loaded, reader: Reader) -> Examples:
    """Pictures (N, H, W), (N, H, W, C) or (N, C, H, W), or vectors (N, D), as `Member`s.

    Vectors with numbers that are not finite are skipped.

    Raises:
        UserError: the shape is none of these, the values no pixels, or a label is missing.
    """
    path, values = arrays.path, _numeric(arrays.path, arrays.values)
    notes, kind = list(arrays.notes), _kind(path, values, reader.kind)
    if kind == "image":
        values, dark = _pixels(path, _channels_last(path, values))
        notes += [dark] if dark else []
    else:
        with np.errstate(over="ignore"):  # what float32 cannot hold is not finite, and skipped below
            values = values.reshape(len(values), prod(values.shape[1:])).astype(np.float32)
    whole = np.isfinite(values).all(1) if kind == "vector" else np.ones(len(values), bool)
    kept = np.flatnonzero(whole)
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    if arrays.labels is not None:
        labels, classes = targets([_label(path, i, arrays.labels[i]) for i in kept], reader.task)
    items = tuple(Member(path, int(i) + 1, values[i]) for i in kept)
    said = "holds values that are not finite, or too large"
    bad = tuple(Skipped(path, f"number {i + 1}: {said}") for i in np.flatnonzero(~whole))
    return Examples(
        tuple(f"number {item.place}" for item in items), tuple(item.digest for item in items), items, labels, classes,
        None, bad, kind, tuple(notes), reader.label,
    )  # fmt: skip


def _named(path: Path, names: Mapping[str, str], wanted: tuple[str, ...], what: str) -> str:
    """Which of the ``names`` is wanted."""
    here = [name for name in wanted if name in names]
    if len(here) > 1:
        raise UserError(f"{path} has several arrays of {what}: {', '.join(names[n] for n in here)}; keep one of them")
    if here:
        return here[0]
    near = [(name, close) for name in names for close in get_close_matches(name, wanted, 1, 0.6)]
    there, other = ", ".join(names.values()) or "none", ", or give --label" if what == "labels" else ""
    fix = f"name one so{other}; there are: {there}"
    if len(near) == 1:
        fix = f"did you mean {names[near[0][0]]!r}? Name it {near[0][1]!r}{other}"
    raise UserError(f"{path} has no array of {what} ({' or '.join(wanted)}); {fix}")


def _column(path: Path, labels: np.ndarray) -> np.ndarray:
    if labels.size != max(labels.shape, default=1):
        raise UserError(f"the labels in {path} have the shape {labels.shape}; give one label for each example, (N,)")
    return labels.reshape(-1)


def _examples_first(path: Path, values: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The array with its examples along the first axis: some programs keep them along the last."""
    if labels is None or not values.ndim or len(values) == len(labels):
        return values, ()
    if values.shape[-1] == len(labels):
        return np.moveaxis(values, -1, 0), (f"the examples in {path} lie along the last axis",)
    raise UserError(f"{path} has {len(values)} examples, but {len(labels)} labels; give one label for each example")


def _numeric(path: Path, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "buif":
        raise UserError(f"the examples in {path} are of the type {values.dtype}; give an array of numbers")
    return values


def _kind(path: Path, values: np.ndarray, asked: str) -> str:
    """``image`` or ``vector``, by the shape unless one is asked for."""
    if 0 in values.shape[1:]:
        raise UserError(
            f"the array of examples in {path} has the shape {values.shape}; give examples that hold something"
        )
    if asked in ("auto", "image") and values.ndim in (3, 4):
        return "image"
    if values.ndim >= 2 and asked in ("auto", "vector") and (asked == "vector" or values.ndim == 2):
        return "vector"
    takes = "" if asked == "vector" else "pictures (N, H, W), (N, H, W, C) or (N, C, H, W)"
    takes += {"auto": " or vectors (N, D)", "vector": "vectors (N, D)"}.get(asked, "")
    raise UserError(f"the array of examples in {path} has the shape {values.shape}; give {takes}")


def _channels_last(path: Path, values: np.ndarray) -> np.ndarray:
    """Pictures (N, H, W) or (N, H, W, 3 or 4)."""
    if values.ndim == 3:
        return values
    if values.shape[3] not in _CHANNELS:
        if values.shape[1] not in _CHANNELS:
            raise UserError(
                f"the pictures in {path} have the shape {values.shape}; give 1, 3 or 4 channels, first or last"
            )
        values = np.moveaxis(values, 1, 3)
    return values[..., 0] if values.shape[3] == 1 else values


def _pixels(path: Path, values: np.ndarray) -> tuple[np.ndarray, str]:
    """Pictures as uint8, all scaled alike; and a note where they are very dark."""
    if not values.size:
        return values.astype(np.uint8), ""
    low, peak = float(values.min()), float(values.max())
    if not 0 <= low <= peak <= _WHITE[-1]:  # false for what is no number, too
        raise UserError(
            f"the pixels in {path} run from {low:g} to {peak:g}; give values from 0 to 1, 255 or 65535, or say "
            f"--kind vector if these are no pictures"
        )
    white = next(top for top in _WHITE if peak <= top)
    scaled = values if values.dtype == np.uint8 and white == 255 else np.rint(values * (255 / white)).astype(np.uint8)
    dark = f"the pictures in {path} are dark: their highest value is {peak:g} of {white:g}" if peak < white / 4 else ""
    return scaled, dark


def _label(path: Path, place: Any, value: Any) -> str:
    text = text_of(value)
    if not text:
        raise UserError(f"number {place + 1} of {path} has no label; fill it in or remove it")
    return text
