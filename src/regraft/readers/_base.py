"""The contract of readers, and ``read``, which finds the reader that a path needs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np

from regraft.core import catalog
from regraft.core.config import build, settings
from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.data.columns import cell, number
from regraft.data.examples import Examples
from regraft.readers._arrow import is_dataset
from regraft.readers._sets import Cell, indicators, label_sets

# Folders that hold parts of a data set; when all the classes have such names, the user pointed one level too high.
_PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "holdout"})

MANY = 10
"""Labels with more different fractions than this are numbers to predict, unless a task is given."""


@settings
class Reader(ABC):
    """Options of one way to read examples. The first line of an entry's docstring says what it reads."""

    labelled: bool = True
    """Read labels; if not, whatever could tell them is ignored and every example is taken."""
    label: str = "label"
    """The column of a table, or the array, that holds the labels; or several of 0 and 1 with commas between them."""
    kind: Literal["auto", "image", "audio", "text", "table", "vector"] = "auto"
    """What the examples are; auto: by the data."""
    task: Literal["auto", "classification", "regression", "multilabel"] = "auto"
    """What labels are: a class, a number or a set of labels each; auto: numbers if they are fractions of many values,
    label sets if names with | or ; between them recombine, else classes."""

    @staticmethod
    @abstractmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """Whether this reader is the one for ``path``, which exists, if it is of ``kind``; cheap."""

    @abstractmethod
    def read(self, path: Path) -> Examples:
        """The examples at ``path``, in an order that does not depend on the file system.

        Raises:
            UserError: what is there cannot be read as examples; names the file or row and the fix.
        """


def read(path: str | Path, at_least: int = 2, classes: int | None = None, **options: Any) -> Examples:
    """The examples at ``path``, by whichever reader of the catalogue fits.

    Args:
        path: a folder or file.
        at_least: examples that each class needs: 2 to learn and judge, 1 for a test set or where there is one.
        classes: classes (or different numbers) that are needed; as many as ``at_least`` unless it says otherwise.
        options: those of `Reader`: ``labelled`` (if not, labels are withheld), ``label``, ``kind``, ``task``.

    Raises:
        UserError: nothing is there (with the nearest name), no reader fits, or the examples do not do.
    """
    path = Path(path)
    reader = _reader(path, options | {"label": options.get("label", "label").strip().lower()})
    examples = reader.read(path)
    if not len(examples):
        raise UserError(_nothing(path, examples))
    if not reader.labelled:
        return examples
    if reader.task not in ("auto", examples.labelling.task):
        raise UserError(_other_task(path, examples, reader.task))
    classes = min(at_least, 2) if classes is None else classes
    if examples.labelling is Labels.SETS:
        return _checked_sets(path, examples, (at_least, classes), reader.task == "auto")
    (_check_numbers if examples.numeric else _check_classes)(path, examples, at_least, classes)
    return examples


def classified(names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class indices (N,) of class names (N), and the classes in natural order."""
    classes = tuple(sorted(set(names), key=natural))
    index = {name: i for i, name in enumerate(classes)}
    return np.array([index[name] for name in names], dtype=np.int64), classes


def targets(cells: Sequence[Cell], task: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels and classes of what a file says: numbers (N,) have no classes, classes (N,) are indices, sets (N, Z).

    ``cells``: texts, or, where the file itself holds lists of labels, tuples of them; these may be empty.

    Raises:
        UserError: ``task`` is ``regression``, but a label is no number; or it is not clear what the labels are.
    """
    sets = label_sets(cells, task)
    if sets is not None:
        classes = tuple(sorted(sets[1], key=natural))
        return indicators(sets[0], classes), classes
    names = [str(cell) for cell in cells]
    values = [number(cell(name)) for name in names]
    strange = next((name for name, value in zip(names, values, strict=True) if value is None), None)
    if task == "regression" and strange is not None:
        raise UserError(f"the label {strange!r} is not a number; correct it, or leave --task regression out")
    fractions = {v for v in values if v is not None and v != round(v)}
    if task == "regression" or (task == "auto" and strange is None and len(fractions) > MANY):
        return np.array(values, dtype=np.float64), ()
    return classified(names)


def natural(text: str) -> tuple[list[str | int], str]:
    """A sort key with numbers by their value; the text itself settles ties such as ``a1`` and ``a01``."""
    parts = re.split(r"(\d+)", text.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text


def kind_as(path: Path, kind: str) -> str:
    """``kind`` if ``path`` can be read as that, else ``auto``: what to read it as beside a target.

    A folder of files is what most of them are, so that it is refused as that and not file by file.
    """
    whole = path.is_file() or is_dataset(path)
    return kind if whole and any(one.matches(path, kind) for one in _readers().values()) else "auto"


def known(path: Path) -> bool:
    """Whether ``path`` is there and some reader finds examples in it: it is a folder, table or file of arrays."""
    return path.exists() and any(one.matches(path) for one in _readers().values())


def _readers() -> dict[str, type[Reader]]:
    return {name: catalog.find("readers", name) for name in catalog.names("readers")}


def _reader(path: Path, options: dict[str, Any]) -> Reader:
    if not path.exists():
        raise UserError(_missing(path))
    for name, one in _readers().items():
        if one.matches(path, options.get("kind", "auto")):
            reader: Reader = build(one, options, f"readers/{name}")
            return reader
    if options.get("kind", "auto") != "auto" and known(path):
        raise UserError(f"{path} cannot be read as --kind {options['kind']}; leave that out, or give other data")
    what = f"a file of type {path.suffix!r}" if path.suffix else "a file without an ending"
    raise UserError(
        f"{path} is {what}, which no reader knows; give a folder with one sub-folder per class, a CSV file (or .tsv, "
        f".jsonl, .parquet) or arrays (.npz, .mat); regraft list readers has all"
    )


def _missing(path: Path) -> str:
    parent = path.absolute().parent
    if not parent.is_dir():
        return f"there is no folder or file {path}, nor its parent folder; check the path"
    near = get_close_matches(path.name, sorted(p.name for p in parent.iterdir()), 1, 0.5)
    fix = f"did you mean {path.parent / near[0]}?" if near else "check the path"
    return f"there is no folder or file {path}; {fix}"


def _nothing(path: Path, examples: Examples) -> str:
    """Why a set is empty: no candidates at all, or none of them readable."""
    if not examples.skipped:
        what = f"{examples.noun}s"
        return f"no {what} found in {path}; put {what} there, or give another path"
    first = examples.skipped[0]
    noun = "rows" if first.within else "files"
    return (
        f"none of the {len(examples.skipped)} {noun} in {path} can be read as a {examples.noun} "
        f"(the first: {first.path.name}: {first.reason}); replace them, or give another path"
    )


def _other_task(path: Path, examples: Examples, task: str) -> str:
    if examples.labelling is not Labels.CLASSES:
        return f"the labels in {path} are {examples.labelling.value}; give --task {examples.labelling.task}"
    wanted = "numbers to predict" if task == "regression" else "several labels for one example"
    return f"{path} names classes by its folders; {wanted} need a table with a column label"


def _check_classes(path: Path, examples: Examples, at_least: int, classes: int) -> None:
    counts, what = examples.counts(), examples.noun
    if counts and all(name.lower() in _PARTS for name in counts):
        raise UserError(f"{path} holds parts of a data set, {_names(counts)}, not classes; give one of those folders")
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise UserError(
            f"no readable {what} in {path} for {_names(empty)}{_lost(examples)}; add {what}s or remove the class"
        )
    if len(counts) < classes:
        raise UserError(f"{path} has one class only, {_names(counts)}; give at least 2 classes to tell apart")
    few = [name for name, count in counts.items() if count < at_least]
    if few:
        raise UserError(
            f"only {counts[few[0]]} readable {what} in {path} for {_names(few)}{_lost(examples)}; "
            f"at least {at_least} are needed in each class: one to learn from, one to judge by{_near(few[0], counts)}"
        )


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, [other for other in known if other != name], 1, 0.6)
    return f" (or is {name!r} a typing mistake for {near[0]!r}?)" if near else ""


def _check_numbers(path: Path, examples: Examples, at_least: int, classes: int) -> None:
    assert examples.labels is not None
    if len(np.unique(examples.labels)) < classes:
        raise UserError(f"all labels in {path} are the same number; give examples with different ones")
    if len(examples) < 4 * (at_least - 1):
        raise UserError(f"only {len(examples)} readable {examples.noun}s in {path}; at least 4 are needed")


def _checked_sets(path: Path, examples: Examples, least: tuple[int, int], guessed: bool) -> Examples:
    """The examples, with what is to be said aloud of their label sets among their notes."""
    counts, what, every = examples.counts(), examples.noun, len(examples)
    at_least, classes = least
    if len(counts) < classes:
        raise UserError(
            f"{path} has one label only, {_names(counts)}; label sets need 2 (for yes or no, write two classes)"
        )
    few = [name for name, count in counts.items() if count < at_least]
    if few and at_least > 1:  # a test set may lack some
        raise UserError(
            f"only {counts[few[0]]} readable {what} in {path} with the label {_names(few)}{_lost(examples)}; "
            f"at least {at_least} are needed of each: one to learn from, one to judge by{_near(few[0], counts)}"
        )
    held = [name for name, count in counts.items() if count == every]
    bare = int((examples.strata[:, len(counts) :] > 0).sum())
    found = f"each {what} has several labels or none, of {len(counts)}: {_names(counts)}"
    notes = [f"the labels were taken so: {found} (say --task classification if not)"] if guessed else []
    notes += [f"{bare} of the {every} {what}s have no label"] if bare else []
    notes += [f"every {what} has the label {_names(held)}, so there is nothing to learn of it"] if held else []
    return replace(examples, notes=(*examples.notes, *notes))


def _names(names: Iterable[str]) -> str:
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:5]) + (f" and {len(quoted) - 5} more" if len(quoted) > 5 else "")


def _lost(examples: Examples) -> str:
    if not examples.skipped:
        return ""
    first = examples.skipped[0]
    return f" ({len(examples.skipped)} file(s) skipped, the first: {first.path.name}: {first.reason})"
