"""What a kept model sees in new examples."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from regraft.backbones._base import Backbone
from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError, UserError
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.examples import Examples, noun
from regraft.evaluation import predict
from regraft.features import Memory
from regraft.model import Model, Problem
from regraft.readers._base import kind_as, known, read
from regraft.readers._read import checked
from regraft.readers._rows import ENDINGS
from regraft.runtime import Runtime, detect
from regraft.tasks._base import Answer, Task
from regraft.training import Engine, run

_TOGETHER = {
    "table": ("table", "give a CSV file with the model's columns"),
    "vector": ("file of vectors", "give a .npy, .npz or .mat file of them"),
}
"""Kinds whose examples come many in a file: what that is called, and what to give."""


ADAPTING = ("none", "adabn", "tent")
"""How a model may be adapted to what it is to predict."""
_STEPS = 50
_PRIOR = 16.0
"""Examples that the statistics of training count for: a handful of new ones does not outweigh them."""


def predict_items(
    model: Model, backbone: Backbone, given: Sequence[str | Path], device: str = "auto", adapt: str = "none"
) -> tuple[list[tuple[str, Answer]], list[list[str]]]:
    """What the model's task answers for each example; and what was not read, with reasons.

    ``given``: as in `opened`. ``adapt``: see `adapted`.

    Raises:
        UserError: a path does not exist, nothing can be read, or the model cannot be adapted.
    """
    task = answering(model)
    if adapt != "none":
        _adaptable(model, adapt)
    dataset, skipped = opened(backbone, given)
    runtime = detect(device)
    model = model if adapt == "none" else adapted(model, backbone, dataset, runtime, adapt)
    found = predict(model, dataset, backbone.preprocess, task, runtime)
    return list(zip(map(str, dataset.examples.items), map(task.answer, found), strict=True)), skipped


def adapted(model: Model, backbone: Backbone, dataset: Dataset, runtime: Runtime, how: str) -> Model:
    """A copy of the model that is adapted to all examples of ``dataset`` together, whose order does not matter.

    ``adabn``: its batch normalisation by their statistics, beside those of training, which count as 16 examples;
    ``tent``: then scale and shift of these layers too, so that predictions are surer (see the methods of these names).

    Raises:
        UserError: the model cannot be adapted so, or a number breaks down on the way.
    """
    _adaptable(model, how)
    if how == "tent" and len(dataset) < 2:
        raise UserError("tent needs at least two examples to adapt to; give more, or leave --adapt out")
    data = dataset.take(dataset.by_content())
    target = Domain("target", data.take([]), data.unlabelled())
    problem = Problem(answering(model), target, backbone, seed=0, source_model=model, memory=Memory(runtime))
    method = entry("methods", {"name": how, "prior": _PRIOR}).with_steps(_STEPS)
    try:
        return run(model, method.phases(problem), problem, Engine(runtime))
    except CandidateError as error:
        raise UserError(f"the model could not be adapted by {how} ({error}); leave --adapt out") from error


def _adaptable(model: Model, how: str) -> None:
    if how not in ADAPTING[1:]:
        raise UserError(f"option 'adapt' is {how!r}; choose one of {', '.join(ADAPTING)}")
    if model.members:
        raise UserError("this model is several networks that answer together; adapt one of them: RUN/member-0")
    if not model.batch_norms:
        raise UserError("this model has no batch normalisation, so it cannot be adapted; leave --adapt out")
    labels = answering(model).labels
    if labels not in catalog.find("methods", how).labels:
        raise UserError(f"{how} does not adapt models that predict {labels.value}; use --adapt adabn")
    if how == "tent" and not _passes_gradients(model):
        raise UserError(f"nothing flows back through this model's head, which {how} needs; use --adapt adabn")


def _passes_gradients(model: Model) -> bool:
    """Whether the head is a differentiable function of the features: votes of neighbours or of learners are none."""
    with torch.enable_grad():
        features = torch.zeros(2, model.backbone.feature_dim, device=next(model.parameters()).device)
        return bool(model.head(features.requires_grad_(True)).requires_grad)


def answering(model: Model) -> Task:
    """What the model answers.

    Raises:
        UserError: nothing: it learned from unlabelled examples only.
    """
    assert model.task is not None  # every model that is loaded has one
    if not model.task.outputs:
        raise UserError(
            "this model has learned without labels and answers nothing; it is a source: "
            "regraft run --target DIR --source THIS"
        )
    return model.task


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
    if not str(given).strip():
        raise UserError(f"one of the {noun(kind)}s to predict is empty; give a text, a file or a folder")
    path = Path(given)
    try:
        there = path.exists()
    except OSError:  # too long for the name of a file
        there = False
    if there and known(path):
        return read(path, labelled=False, kind=kind_as(path, kind))
    if kind == "text":
        if not there and _names_file(str(given)):
            raise UserError(f"there is no file or folder {path}; check the path")
        text = path.read_text(encoding="utf-8") if there else str(given)
        return Examples(("0",), (hashlib.blake2b(text.encode()).hexdigest(),), (text,), None, (), kind=kind)
    if kind in _TOGETHER:
        what, fix = _TOGETHER[kind]
        raise UserError(f"{path} is no {what}; {fix}" if there else f"there is no {what} {path}; {fix}")
    single = Examples((path.name,), ("",), (path,), None, (), kind=kind)
    if not there:
        raise UserError(f"there is no {single.noun} or folder {path}; check the path")
    return checked(single)


def _names_file(text: str) -> bool:
    """Whether a text looks like a mistyped path: one word that ends as files or folders do."""
    return len(text.split()) == 1 and text.lower().endswith((*ENDINGS, ".txt", "/"))
