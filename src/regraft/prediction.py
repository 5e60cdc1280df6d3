"""What a kept model sees in new examples."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from regraft.backbones._base import Backbone
from regraft.core.errors import UserError
from regraft.data.dataset import Dataset, whole
from regraft.data.examples import Examples, noun
from regraft.evaluation import predict
from regraft.model import Model
from regraft.readers._base import read
from regraft.readers._read import checked
from regraft.readers._rows import ENDINGS
from regraft.runtime import detect
from regraft.tasks._base import Answer


def predict_items(
    model: Model, backbone: Backbone, given: Sequence[str | Path], device: str = "auto"
) -> tuple[list[tuple[str, Answer]], list[list[str]]]:
    """What the model's task answers for each example; and what was not read, with reasons.

    ``given``: as in `opened`.

    Raises:
        UserError: a path does not exist, or nothing can be read.
    """
    dataset, skipped = opened(backbone, given)
    assert model.task is not None  # every model that is loaded has one
    found = predict(model, dataset, backbone.preprocess, model.task, detect(device))
    return list(zip(map(str, dataset.examples.items), map(model.task.answer, found), strict=True)), skipped


def opened(backbone: Backbone, given: Sequence[str | Path]) -> tuple[Dataset, list[list[str]]]:
    """The examples that ``given`` names, ready for a network; and what could not be read, with reasons.

    Folders and tables stand for the examples in them; anything else is a file, or, for a network that reads text, the
    text itself.

    Raises:
        UserError: a path does not exist, or nothing can be read.
    """
    kind = backbone.preprocess.kind
    parts = [_open(one, kind) for one in given]
    skipped = [[str(s.path), s.reason] for part in parts for s in part.skipped]
    strange = next((part for part in parts if len(part) and part.kind != kind), None)
    if strange is not None:
        raise UserError(f"the model reads {noun(kind)}s, but these are {strange.noun}s: {strange.items[0]}")
    items = tuple(item for part in parts for item in part.items)
    if not items:
        first = f"; the first: {skipped[0][0]} ({skipped[0][1]})" if skipped else ""
        raise UserError(f"none of the paths is a readable {noun(kind)}{first}")
    ids = tuple(map(str, range(len(items))))
    flat = Examples(ids, tuple(d for part in parts for d in part.digests), items, None, (), kind=kind)
    return whole(flat, backbone.preprocess.decode(items)), skipped


def _open(given: str | Path, kind: str) -> Examples:
    path = Path(given)
    try:
        there, table = path.exists(), path.suffix.lower() in ENDINGS
    except OSError:  # too long for the name of a file
        there, table = False, False
    if there and (path.is_dir() or table):
        return read(path, labelled=False)
    if kind == "text":
        text = path.read_text(encoding="utf-8") if there else str(given)
        return Examples(("0",), (hashlib.blake2b(text.encode()).hexdigest(),), (text,), None, (), kind=kind)
    if kind == "table":
        what = f"{path} is no table" if there else f"there is no table {path}"
        raise UserError(f"{what}; give a CSV file with the model's columns")
    single = Examples((path.name,), ("",), (path,), None, (), kind=kind)
    if not there:
        raise UserError(f"there is no {single.noun} or folder {path}; check the path")
    return checked(single)
