"""Models on disk: ``model.safetensors`` and ``model.json``. Nothing is pickled; loading runs no code of the file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from regraft import checkpoint
from regraft.backbones._base import Backbone
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.edits._base import Structural
from regraft.edits._kept import mean, put, state
from regraft.ensemble import PART, together
from regraft.heads._base import Head
from regraft.heads._layers import plan, rebuilt
from regraft.model import Model
from regraft.runs import read_json, remember_seen, write_json
from regraft.tasks._base import Task
from regraft.tasks.classification import Classification

SCHEMA, OF_SEVERAL = 1, 2
"""How a model is written down, and one that several make together; older versions refuse what they do not know."""
MEANS = (
    "Wortsman et al., Model soups, ICML 2022, section 2; Choshen et al., Fusing finetuned models for better "
    "pretraining, arXiv 2022"
)
"""Where means of models of several sources are from."""


def save(folder: Path, model: Model, backbone: Backbone, task: Task, facts: dict[str, Any]) -> None:
    """Write a model and what is needed to build and feed it; a task without outputs has no head.

    ``facts`` are kept beside it, for the reader. A model that several make together is a folder of such folders.
    """
    if model.members:
        for place, (member, its) in enumerate(model.members):
            save(folder / PART.format(place), member, its, task, {})
        members = {"schema": OF_SEVERAL, "members": len(model.members), "task": to_plain(task)}
        members |= {"temperature": model.temperature}
        write_json(folder / "model.json", {**members, "classes": list(model.classes), "notes": model.notes, **facts})
        return
    weights = folder / "model.safetensors"
    groups = {"backbone": model.backbone.state_dict(), "head": model.head.state_dict()}
    checkpoint.save(weights, groups, {})
    layers = plan(model.head)
    manifest = {
        "schema": SCHEMA,
        "backbone": to_plain(backbone.keep(folder)),
        "head": layers if layers else to_plain(task.head),
        "task": to_plain(task),
        "classes": list(model.classes),
        "frozen_norm": model.frozen_norm,
        "added": [to_plain(edit) for edit in model.added],
        "notes": model.notes,
        "temperature": model.temperature,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        **facts,
    }
    write_json(folder / "model.json", manifest)


def manifest_of(folder: Path) -> dict[str, Any]:
    """What ``save`` wrote about a model.

    Raises:
        UserError: there is no model in ``folder``, or it is of a newer version.
    """
    path = folder / "model.json"
    if not path.is_file():
        raise UserError(f"there is no model in {folder}: it has no model.json; give the folder of a finished run")
    manifest = read_json(path)
    if manifest.get("schema") not in (SCHEMA, OF_SEVERAL):
        raise UserError(f"{path} was written by another version of Regraft; read it with that one")
    return manifest


def load(folder: Path) -> tuple[Model, Backbone]:
    """The model in ``folder``, in evaluation mode, and its backbone's options.

    Raises:
        UserError: there is none, or its weights are not those that were saved.
    """
    manifest = manifest_of(folder)
    if "members" in manifest:
        joined, both = together([load(folder / PART.format(place)) for place in range(manifest["members"])])
        joined.temperature = manifest.get("temperature", 1.0)
        return joined, both
    weights = folder / "model.safetensors"
    if not weights.is_file() or hashlib.sha256(weights.read_bytes()).hexdigest() != manifest["sha256"]:
        raise UserError(f"{weights} is missing or was changed after it was saved; restore it or run again")
    kept: Backbone = entry("backbones", manifest["backbone"])
    backbone = kept.found(folder)
    network = backbone.build(pretrained=False)
    classes = tuple(manifest["classes"])
    task: Task = entry("tasks", manifest["task"]) if "task" in manifest else Classification(classes=classes)
    tensors = load_file(weights)
    of_backbone, of_head = (
        {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)} for part in ("backbone/", "head/")
    )
    model = Model(network, _head(manifest["head"], of_head, network.feature_dim, task), classes)
    model.task = task
    model.frozen_norm = manifest["frozen_norm"]
    for added in manifest.get("added", ()):  # models of older versions have none
        edit: Structural = entry("edits", added)
        edit.add(model, backbone.preprocess.sample(2))
    network.load_state_dict(of_backbone)
    model.notes = manifest.get("notes", {})
    model.temperature = manifest.get("temperature", 1.0)
    return model.eval(), backbone


def _head(kept: dict[str, Any], values: dict[str, Tensor], feature_dim: int, task: Task) -> nn.Module:
    """The head that was kept: layers with a plan, or options of one that is trained by descent."""
    if "layer" in kept:
        return rebuilt(kept, values)
    options: Head = entry("heads", kept)
    head = options.build(feature_dim, task.outputs)
    head.load_state_dict(values)
    return head


def average(folders: Sequence[Path], into: Path) -> None:
    """Write the mean of several models of one architecture to ``into``: one start from several sources; see `mean_of`.

    Raises:
        UserError: there are fewer than two, or one of them is another network.
    """
    if len(folders) < 2:
        raise UserError(f"a mean needs at least two models, got {len(folders)}")
    names = [str(folder) for folder in folders]
    model, backbone = mean_of(names, [load(folder) for folder in folders])
    save(into, model, backbone, model.task or Classification(), {"learned": f"the mean of {', '.join(names)}"})
    remember_seen(into, sources=names)


def mean_of(names: Sequence[str], models: Sequence[tuple[Model, Backbone]]) -> tuple[Model, Backbone]:
    """The mean of the weights of several models, of which the first becomes it, and its backbone's options.

    Heads are averaged too where all are trained ones of the same classes; else the mean has none. It only makes sense
    for models that were trained from one start: means of networks that were not know little.
    Reference: `MEANS`.

    Raises:
        UserError: one of them is another network than the first; names it.
    """
    (model, backbone), alike = models[0], [_network(*one) for one in models]
    for name, network in zip(names, alike, strict=True):
        if network != alike[0]:
            raise UserError(f"the model in {name} is another network than that in {names[0]}: they have no mean")
    if any(_topped(other) != _topped(model) for other, _ in models) or not _descended(model.head):
        for other, _ in models:
            other.head, other.classes, other.task = nn.Identity(), (), None
    model.temperature = 1.0  # that of one of them says nothing about their mean
    put(model, mean([state(other) for other, _ in models], [1 / len(models)] * len(models)))
    return model, backbone


def _network(model: Model, backbone: Backbone) -> Any:
    """What must agree: the network and how it reads its inputs, whatever files its first weights came from."""
    options = {**to_plain(backbone), "weights": None}
    if Path(str(options.get("arch", ""))).exists():
        options["arch"] = None
    shapes = {name: tuple(t.shape) for name, t in model.backbone.state_dict().items()}
    return type(backbone), options, [to_plain(edit) for edit in model.added], shapes


def _topped(model: Model) -> Any:
    """What must agree of heads."""
    shapes = {name: tuple(t.shape) for name, t in model.head.state_dict().items()}
    return model.classes, model.task and to_plain(model.task), plan(model.head), shapes


def _descended(head: nn.Module) -> bool:
    """Whether the values of a head were found by descent: a mean of landmarks, say, is no landmark."""
    return isinstance(head, nn.Linear) or plan(head) is None
