"""Sources: things that know something, opened, understood by measuring, and ready to transfer."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from regraft import artifacts
from regraft.backbones._base import Backbone
from regraft.bench import Bench
from regraft.core.errors import UserError, unknown
from regraft.core.seeding import derive
from regraft.data.columns import UNSHARED
from regraft.data.dataset import Dataset, Domain
from regraft.data.examples import Examples
from regraft.edits.new_head import reused
from regraft.features import Memory
from regraft.model import Model, Problem
from regraft.opening import Opened, Opening, backbone_for, name_of, opened, options_of, tried
from regraft.readers._base import known
from regraft.readers._domains import members_of, parts_of, place_of
from regraft.runtime import Runtime
from regraft.tasks._choice import task_for
from regraft.understanding import fastest, norm_breaks

KINDS = ("timm", "torchvision", "torch", "keras", "onnx", "hf", "glove", "data", "average", "runs")


@dataclass(frozen=True)
class Source:
    """A source that is ready to transfer to one target.

    ``domain``: its labelled data, None if there are none. ``frozen_norm``: see `Problem`. ``understood``: what was
    found out about it, for the report. ``training``, ``inference``: the runtimes; ``cost``: seconds an example of each.
    """

    uri: str
    backbone: Backbone
    model: Model
    domain: Domain | None
    frozen_norm: bool
    understood: Mapping[str, str]
    training: Runtime
    inference: Runtime
    cost: tuple[float, float]

    @property
    def learns(self) -> bool:
        """Whether its network has weights that can be trained: some are run as they are, by another library."""
        return any(True for _ in self.model.backbone.parameters())

    def problem(self, train: Dataset, unlabeled: Dataset | None, seed: int, cache: Path | None) -> Problem:
        """The transfer of this source to the labelled examples ``train``: all that a method may see."""
        target = Domain("target", train, unlabeled)
        memory = Memory(self.inference, cache)
        return Problem(
            task_for(train.examples), target, self.backbone, seed, self.model, self.domain, self.frozen_norm, memory
        )


def check(uri: str) -> None:
    """Refuse what cannot be a source before any work is done.

    Raises:
        UserError: an unknown kind (with the nearest), or a path that is not there.
    """
    kind, _, rest = uri.partition(":")
    for member in members_of(uri):
        check(member)
    if Path(uri).is_dir():
        if not (Path(uri) / "model.json").exists() and known(Path(uri)):
            raise UserError(f"source {uri!r} is no folder of a run; to learn from the examples in it write data:{uri}")
        artifacts.manifest_of(Path(uri))
    elif not rest and kind in KINDS and uri != kind:
        raise UserError(f"source {uri!r} names nothing behind its colon; write {kind}: and the name or path")
    elif not rest and "/" in uri:
        raise UserError(f"source {uri!r}: there is no such folder of a run; check the path")
    elif not rest:
        raise UserError(
            f"source {uri!r} is neither a run folder nor of the form kind:name; kinds: {', '.join(KINDS[:-1])}"
        )
    elif kind not in KINDS:
        raise unknown("kind of source", kind, KINDS)
    elif kind in ("keras", "onnx") and not Path(file := options_of(uri)["arch"]).is_file():
        raise UserError(f"source {uri!r}: there is no file {file!r}; check the path")
    elif kind == "data":
        for part in parts_of(uri):
            place_of(part)
    elif (weights := options_of(uri).get("weights")) and not Path(weights).is_file():
        raise UserError(f"source {uri!r}: there is no weights file {weights!r}; check the path")


def try_out(uri: str, train: Examples, how: Opening) -> None:
    """Refuse what cannot be opened, in a few seconds and leaving nothing behind.

    Raises:
        UserError: data of another kind, an unknown architecture, weights that belong to another, a mean of unlike ones.
    """
    backbone = tried(uri, train, how)
    if how.vocabulary != "source" and backbone.vocabulary:
        backbone.respelled(train, keep=how.vocabulary == "both")


def open_source(uri: str, train: Examples, how: Opening, bench: Bench) -> Source:
    """Open a source for a target of which only the labelled examples ``train`` are looked at.

    Raises:
        UserError: it cannot be read, or its weights belong to another architecture.
    """
    return _finished(opened(uri, train, how, bench), uri, train, bench)


def scratch_source(name: str, train: Examples, bench: Bench) -> Source:
    """Something that knows nothing: an untrained backbone ``kind:arch``, for the baseline."""
    backbone = backbone_for(name, train)
    name = name if ":" in name else f"{name}:{backbone.arch}"
    torch.manual_seed(derive(bench.seed, "scratch", name))
    fresh = backbone, Model(backbone.build(pretrained=False), nn.Identity(), ()), None, dict[str, str]()
    return _finished(fresh, f"scratch:{name}", train, bench)


def _finished(source: Opened, uri: str, train: Examples, bench: Bench) -> Source:
    backbone, model, domain, found = source
    dataset, name = bench.dataset(train, backbone.preprocess), name_of(uri)
    measured = deepcopy(model.backbone)  # batch statistics are counted: a resumed run would not have counted these
    breaks = partial(norm_breaks, measured, dataset, backbone, bench.runtime)
    frozen = bench.journal.once(f"{name}-norm", breaks)
    model.frozen_norm = bool(frozen)
    inference, fast = fastest(model.eval(), dataset, backbone.preprocess, bench, name)
    training, slow = fastest(model.train(), dataset, backbone.preprocess, bench, name)
    model.eval()
    target = Domain("target", dataset)
    known = Problem(task_for(train), target, backbone, bench.seed, memory=Memory(inference, bench.cache))
    heads = bench.journal.once(f"{name}-names", lambda: reused(model, known))
    found = {**found, "shared classes": heads} if heads else found
    if model.backbone.carried is not None:
        found = {**found, "weights": model.backbone.carried.sentence}
    if not uri.startswith("scratch:"):
        bench.reporter.say(f"{uri}: {found.get('weights', backbone.described)}")
        for what in (key for key in found if key.startswith(UNSHARED)):
            bench.reporter.say(f"{uri}: {what}: {found[what]}")
    if frozen is not None:
        kept = "keeps its stored statistics: those of a batch make the features worse"
        found = {**found, "batch normalisation": kept if frozen else "works on the statistics of a batch too"}
    return Source(uri, backbone, model, domain, model.frozen_norm, found, training, inference, (slow, fast))
