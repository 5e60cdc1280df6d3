"""How a network that knows something is opened: of an earlier run, of a library, or trained here on labelled data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import torch
from torch import nn

from regraft import artifacts
from regraft.backbones._base import Backbone
from regraft.backbones._carried import Carried
from regraft.backbones._facts import origin_of
from regraft.backbones._vocabulary import carry_over, told
from regraft.bench import Bench
from regraft.core.config import entry
from regraft.core.errors import CandidateError, UserError
from regraft.core.seeding import derive
from regraft.data import columns
from regraft.data.dataset import Dataset, Domain
from regraft.data.examples import Examples, noun, pooled, together
from regraft.data.names import shared
from regraft.ensemble import PART
from regraft.features import Memory
from regraft.methods.baseline.scratch import Scratch
from regraft.model import Model, Problem
from regraft.optimisation import Descent
from regraft.readers._domains import members_of, parts_of, place_of
from regraft.tasks._choice import task_for
from regraft.training import run
from regraft.understanding import best_input, fastest


@dataclass(frozen=True)
class Opening:
    """How sources are opened.

    ``small`` names the backbone that a ``data:`` source is trained in; ``vocabulary``: see `regraft run`; ``read``: the
    labelled data of ``data:`` sources, by their names.
    """

    small: str = "small"
    vocabulary: str = "source"
    read: Mapping[str, Examples] = field(default_factory=dict)


Opened = tuple[Backbone, Model, Domain | None, dict[str, str]]
"""A network's options, the network, its labelled data if there are any, and what was found out about it, in words."""


def opened(uri: str, train: Examples, how: Opening, bench: Bench) -> Opened:
    """A source, opened or trained, for a target of which only the labelled examples ``train`` are looked at.

    Raises:
        UserError: it cannot be read, its weights belong to another architecture, or a mean is of unlike networks.
    """
    members, among = members_of(uri), _data_of(uri, how)
    found = [_respelled(_one(one, train, how, bench, among), train, how, bench) for one in members or [uri]]
    return _mean(members, among, found, bench) if members else found[0]


def tried(uri: str, train: Examples, how: Opening) -> Backbone:
    """The backbone of a source, opened in a few seconds without training or measuring, to find what is wrong with it.

    Raises:
        UserError: see `opened`; or it knows other examples.
    """
    members, among = members_of(uri), _data_of(uri, how)
    found = [_untrained(member, train, how, among) for member in members or [uri]]
    return artifacts.mean_of(members, found)[1] if members else found[0][1]


def known_by(uri: str, examples: Examples, bench: Bench | None) -> Opened:
    """A trained network, of an earlier run or of a library, without its head in the latter case.

    Without a bench the likeliest convention of its inputs is taken unmeasured: to try it out.

    Raises:
        UserError: it cannot be read, takes other examples, or its weights belong to another architecture.
    """
    return _of_run(Path(uri), examples) if Path(uri).is_dir() else _of_library(uri, examples, bench)


def name_of(uri: str) -> str:
    """What the files of a source are called in a run's journal."""
    return f"source-{derive(0, uri) % 10**6:06d}"


def backbone_for(name: str, examples: Examples) -> Backbone:
    """The backbone ``kind:arch@weights?option=value&option=value``, suited to the examples, but for what was stated."""
    backbone: Backbone = entry("backbones", options_of(name))
    suited: Any = backbone.suited(examples)
    found: Backbone = replace(suited, **_stated(name, backbone))
    return found


def _stated(name: str, backbone: Backbone) -> dict[str, Any]:
    """What the name of a ``backbone`` says of its inputs, which then is not measured."""
    return {what: getattr(backbone, what) for what in options_of(name) if what in ("size", "normalise", "padding")}


def options_of(name: str) -> dict[str, str]:
    """The options of the backbone ``kind:arch@weights?option=value&option=value``."""
    kind, _, rest = name.partition(":")
    place, _, query = rest.partition("?")
    arch, _, weights = place.partition("@")
    given = (("arch", arch), ("weights", weights), *parse_qsl(query))
    return {"name": kind, **{option: value for option, value in given if value}}


def train_model(train: Dataset, backbone: Backbone, what: str, bench: Bench) -> Model:
    """A model trained from nothing on a labelled domain, a source in the making; `UserError` if it breaks down."""
    steps = int(np.clip(8 * len(train) / 64, 200, 2000))
    method = Scratch(descent=Descent(steps=steps, batch_size=64, rate=3e-3, average=0.99))
    torch.manual_seed(derive(bench.seed, "source"))
    start = Model(backbone.build(pretrained=False), nn.Identity(), ())
    domain, memory = Domain("source", train), Memory(bench.runtime)
    problem = Problem(task_for(train.examples), domain, backbone, bench.seed, memory=memory)
    runtime = fastest(start, train, backbone.preprocess, bench, what)[0]
    try:
        with bench.engine(what, runtime, steps) as engine:
            return run(start, method.phases(problem), problem, engine)
    except CandidateError as error:
        raise UserError(f"training the source broke down ({error}); try another --backbone or --seed") from error


def single(path: Path) -> tuple[Model, Backbone]:
    """The model in a folder, to start from.

    Raises:
        UserError: there is none, or it is several networks that answer together, of which none is the one.
    """
    model, backbone = artifacts.load(path)
    if model.members:
        many, one = len(model.members), path / PART.format(0)
        raise UserError(f"{path} is {many} networks that answer together, and a source is one; give {one}, say")
    return model, backbone


def _of_run(path: Path, train: Examples) -> Opened:
    model, backbone = single(path)
    Backbone.suited(backbone, train)
    model.backbone.carried = Carried.whole({name: t.numel() for name, t in model.backbone.state_dict().items()})
    learned = artifacts.manifest_of(path).get("learned", f"{_known(model)}, learned in an earlier run")
    return backbone, model, None, {"knows": learned}


def _data_of(uri: str, how: Opening) -> Examples | None:
    """The labelled data of a source, or of all members of a mean that have some."""
    members = members_of(uri)
    return pooled([how.read[m] for m in members if m in how.read]) if members else how.read.get(uri)


def _one(uri: str, train: Examples, how: Opening, bench: Bench, among: Examples | None) -> Opened:
    if uri in how.read and among is not None:
        return _trained_on(uri, train, how, bench, among)
    return known_by(uri, train, bench)


def _untrained(uri: str, train: Examples, how: Opening, among: Examples | None) -> tuple[Model, Backbone]:
    if Path(uri).is_dir():
        model, backbone = single(Path(uri))
        _same_kind(uri, backbone.preprocess.kind, train)
        backbone.preprocess.decode(train.items[:1])  # other columns or lengths than the run's are told here
        return model, backbone
    if uri in how.read and among is not None:
        _same_kind(uri, how.read[uri].kind, train)
        backbone = _suited(how.small, among, train)[0]
    else:
        backbone = backbone_for(uri, train)
    return Model(backbone.build(uri not in how.read), nn.Identity(), ()), backbone


def _mean(members: tuple[str, ...], among: Examples | None, each: Sequence[Opened], bench: Bench) -> Opened:
    """The mean of the weights of several sources, with the labelled data of all of them."""
    model, backbone = artifacts.mean_of(members, [(model, backbone) for backbone, model, _, _ in each])
    model.backbone.carried = None
    found = {"average": f"the mean of the weights of {' and '.join(members)} ({artifacts.MEANS})"}
    for member, (_, _, _, theirs) in zip(members, each, strict=True):
        known = theirs.get("labelled data") or theirs.get("knows")
        found |= {f"knowledge of {member}": known} if known else {}
    found |= of_each(members, [origin_of(backbone) for backbone, _, _, _ in each])
    domain = Domain(", ".join(members), bench.dataset(among, backbone.preprocess)) if among is not None else None
    return backbone, model, domain, found


def of_each(members: Sequence[str], origins: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Where several sources come from: what all say alike, and else what each says."""
    found = {}
    for key in dict.fromkeys(key for origin in origins for key in origin):
        said = [origin.get(key, "not stated") for origin in origins]
        alike = len(set(said)) == 1
        found[key] = said[0] if alike else "; ".join(f"{m}: {one}" for m, one in zip(members, said, strict=True))
    return found


def _trained_on(uri: str, train: Examples, how: Opening, bench: Bench, among: Examples) -> Opened:
    """A network trained on labelled data, in what suits these ``among`` those of the other members of a mean."""
    examples, name = how.read[uri], name_of(uri)
    path = " and ".join(str(place_of(part)[0]) for part in parts_of(uri))
    backbone, found = _suited(how.small, examples, train)
    if (together_suited := _suited(how.small, among, train)[0]) != backbone:
        backbone, name = together_suited, name_of(f"{uri} among {among.fingerprint}")
    dataset = bench.dataset(examples, backbone.preprocess)
    folder = bench.journal.path(name)
    if bench.learned:  # shared as far as what suits the target is the same
        folder = bench.learned.path(f"{name}-{derive(0, repr(backbone)) % 10**6:06d}")
    if not (folder / "model.json").exists():
        model = train_model(dataset, backbone, name, bench)
        artifacts.save(folder, model, backbone, task_for(examples, balanced=False), {"data": path})
    model, backbone = artifacts.load(folder)
    found = {"labelled data": f"{len(examples)} examples of {_known(model)} in {path}", **found}
    return backbone, model, Domain(path, dataset), found


def _respelled(source: Opened, train: Examples, how: Opening, bench: Bench) -> Opened:
    """The source with the tokens of the target, beside its own or in their place."""
    backbone, model, domain, found = source
    if how.vocabulary == "source" or not backbone.vocabulary or model.added:  # parts were added around its own tokens
        return source
    other = backbone.respelled(train, keep=how.vocabulary == "both")
    torch.manual_seed(derive(bench.seed, "vocabulary"))
    network = other.build(pretrained=False)
    known, tokens = backbone.vocabulary, other.vocabulary
    carry_over(model.backbone, network, known, tokens)
    model.backbone = network
    if domain is not None:
        domain = replace(domain, train=bench.dataset(domain.train.examples, other.preprocess))
    return other, model, domain, {**found, "vocabulary": told(known, tokens)}


def _known(model: Model) -> str:
    assert model.task is not None  # every model that is loaded has one
    return f"{len(model.classes) or ''} {model.task.labels.many}".strip()


def _suited(small: str, source: Examples, train: Examples) -> tuple[Backbone, dict[str, str]]:
    """The backbone for a source with data, and what was found of how source and target fit."""
    if source.kind == train.kind == "table":
        both, found = columns.shared(source, train)
        return backbone_for(small, both), found
    if source.kind == train.kind == "vector":
        return backbone_for(small, together(source, train)), {}
    return backbone_for(small, source if source.kind == "text" else train), {}  # words are learned from a lot


def _of_library(uri: str, train: Examples, bench: Bench | None) -> Opened:
    given, seed = backbone_for(uri, train), bench.seed if bench else 0
    options, chosen = _agreeing(given, _stated(uri, given)) if bench else [given], 0
    if len(options) > 1 and bench:
        sized = [bench.dataset(train, o.preprocess) for o in options]  # those of one size are decoded once
        torch.manual_seed(derive(seed, "source"))
        chosen = bench.journal.once(f"{name_of(uri)}-input", partial(best_input, options, sized, bench))
    backbone = options[chosen]
    found = {"input": backbone.described}
    if len(options) > 1:
        probe = "a probe on the labelled target"
        if train.kind == "image":
            probe = f"how surely it recognises the target; among sizes and scales, {probe}"
        found["input chosen by"] = f"{probe}, of {len(options)} conventions"
    torch.manual_seed(derive(seed, "source"))  # what no file has weights for: an encoder above word vectors
    network = backbone.build()
    head = backbone.classifier() if shared(train.classes, backbone.categories) else None
    return backbone, Model(network, head or nn.Identity(), backbone.categories if head else ()), None, found


def _agreeing(backbone: Backbone, stated: Mapping[str, Any]) -> list[Backbone]:
    """The conventions that a backbone's inputs may follow, each with what was ``stated`` of them."""
    if "size" in stated:
        backbone.build(pretrained=False)  # or says that it takes no such pictures
    every: tuple[Any, ...] = backbone.conventions()
    return list(dict.fromkeys(replace(one, **stated) for one in every))


def _same_kind(uri: str, kind: str, train: Examples) -> None:
    if kind != train.kind:
        raise UserError(f"source {uri!r} knows {noun(kind)}s, but the target holds {train.noun}s; give another source")
