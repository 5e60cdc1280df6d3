"""What a kept model sees in new pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from regraft.backbones._base import Backbone
from regraft.core.errors import UserError
from regraft.data.dataset import whole
from regraft.data.examples import Examples
from regraft.data.images import decode
from regraft.evaluation import predict
from regraft.model import Model
from regraft.readers._base import read
from regraft.readers._read import checked
from regraft.runtime import detect
from regraft.tasks.classification import Classification

Ranked = list[tuple[str, float]]


def predict_paths(
    model: Model, backbone: Backbone, paths: Sequence[str | Path], device: str = "auto"
) -> tuple[list[tuple[str, Ranked]], list[list[str]]]:
    """Classes with probabilities for each picture, likeliest first; and the files that could not be read, with reasons.

    Folders stand for the pictures in them.

    Raises:
        UserError: a path does not exist, or none can be read.
    """
    examples = [_open(Path(path)) for path in paths]
    readable = [(p, e) for part in examples for p, e in zip(part.paths, part.digests, strict=True)]
    skipped = [[str(s.path), s.reason] for part in examples for s in part.skipped]
    if not readable:
        first = f"; the first: {skipped[0][0]} ({skipped[0][1]})" if skipped else ""
        raise UserError(f"none of the paths is a readable picture{first}")
    files = [p for p, _ in readable]
    flat = Examples(
        tuple(map(str, range(len(files)))), tuple(d for _, d in readable), tuple(files), None, model.classes
    )
    dataset = whole(flat, decode(files, backbone.preprocess.size))
    found = predict(model, dataset, backbone.preprocess, Classification(classes=model.classes), detect(device))
    order = np.argsort(-found, axis=1, kind="stable")
    ranked = [[(model.classes[k], float(row[k])) for k in best] for row, best in zip(found, order, strict=True)]
    return list(zip(map(str, files), ranked, strict=True)), skipped


def _open(path: Path) -> Examples:
    if path.is_dir():
        return read(path, labelled=False)
    if not path.exists():
        raise UserError(f"there is no picture or folder {path}; check the path")
    return checked(Examples((path.name,), ("",), (path,), None, ()))
