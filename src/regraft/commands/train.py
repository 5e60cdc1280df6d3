"""Train a source model, on labelled or on unlabelled data, for later runs to start from."""

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from regraft import artifacts, runs
from regraft.bench import Bench
from regraft.core.config import build, settings, to_plain
from regraft.core.duration import seconds_of
from regraft.core.errors import UserError
from regraft.core.gauge import GAUGES
from regraft.core.progress import Reporter
from regraft.data.examples import Examples
from regraft.data.splits import aside_split, holdout_split
from regraft.evaluation import evaluation, predict
from regraft.keeping import metrics
from regraft.opening import backbone_for, train_model
from regraft.pretraining import Start
from regraft.readers._base import read
from regraft.runtime import detect
from regraft.tasks._choice import task_for
from regraft.tasks.classification import Classification

_RESULT = "train.json"


@settings
class Train:
    """Train a network on examples with labels, or without any, and keep it as a source: ``regraft run --source DIR``.

    With --data it starts from nothing, and a tenth of each class is set aside to measure it by. With --unlabeled it
    learns by self-supervision, from nothing or from --source. What a source has learned from never judges a run.
    """

    data: Path | None = None
    """Folder with a folder of pictures (or sounds) per class, a table with a column label, or a file of arrays."""
    unlabeled: Path | None = None
    """Instead: what holds pictures, recordings or texts, whose labels are not read."""
    label: str = "label"
    """The column of a table, or the array, that holds the labels; or several of 0 and 1: red,round."""
    backbone: str = "small"
    """The network, as kind:architecture: timm:ARCH, torchvision:ARCH, hf:NAME; small suits the kind of examples."""
    source: str | None = None
    """With --unlabeled, a trained network to go on from, as in regraft run; none of data:."""
    method: str = ""
    """With --unlabeled, contrastive or masked; without it, masked for texts and contrastive for the rest."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """With --unlabeled, steps of the descent; without it, as many as the budget affords, up to 50 epochs."""
    budget: str = "220s"
    """With --unlabeled, time that the training may take: 90s, 10m, 2h; 'none' for no limit."""
    aside: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    """With --unlabeled, share of the examples to leave out, so that a run on the same folder can be judged by them."""
    task: Literal["auto", "classification", "regression", "multilabel"] = "auto"
    """What the labels are; auto: numbers if many are fractions, sets if names with | or ; recombine, else classes."""
    kind: Literal["auto", "image", "audio", "text", "table", "vector"] = "auto"
    """What the examples are; auto: by the data."""
    seed: int = 0
    """Seed of everything random."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "auto"
    """auto (measured), fp32, bf16 or bf16-mixed."""
    out: Path | None = None
    """Folder of the model; without it, a new one below runs/."""
    resume: Path | None = None
    """Go on with the training in this folder."""


def main(options: Train, reporter: Reporter) -> dict[str, Any]:
    """Train, measure and save; returns where and how good.

    Raises:
        UserError: the data or options cannot be used.
    """
    folder, options, examples = _begin(options)
    if (folder / _RESULT).exists():
        return runs.read_json(folder / _RESULT)
    reporter.hint = f"Go on with: regraft train --resume {shlex.quote(str(folder))}"
    journal, runtime = runs.Journal(folder), detect(options.device, options.precision)
    clock = runs.Clock(journal, seconds_of(options.budget) if options.unlabeled else None, reporter.begun)
    bench = Bench(journal, clock, reporter, runtime, options.precision == "auto", options.seed, runs.cache_folder())
    result = (_unlabelled if options.unlabeled else _labelled)(options, examples, bench)
    runs.write_json(folder / _RESULT, result)
    return result


def _labelled(options: Train, examples: Examples, bench: Bench) -> dict[str, Any]:
    folder = bench.journal.folder
    backbone = backbone_for(options.backbone, examples)
    dataset = bench.dataset(examples, backbone.preprocess)
    kept, aside = (dataset.take(part) for part in holdout_split(examples, 0.1, options.seed))
    model = train_model(kept, backbone, "training", bench)
    task = task_for(kept.examples, balanced=False)
    record = evaluation([predict(model, aside, backbone.preprocess, task, bench.runtime)], aside, task)
    figures = metrics(record, task)
    runs.remember_seen(folder, kept.examples.digests)
    facts = {"data": str(options.data), "label": options.label, "metrics": figures}
    artifacts.save(folder, model, backbone, task, facts)
    result = {"run": str(folder), "metrics": figures, "classes": list(examples.classes), "examples": len(examples)}
    return {**result, "task": task.labels.task}


def _unlabelled(options: Train, examples: Examples, bench: Bench) -> dict[str, Any]:
    folder, start = bench.journal.folder, _start(options)
    kept = examples.take(aside_split(examples, options.aside, options.seed)[0])
    found = f"{len(kept)} unlabelled {kept.noun}s of {options.unlabeled}"
    out = f", {len(examples) - len(kept)} set aside" if options.aside else ""
    bench.reporter.say(f"{found}{out}; labels, if there are any, are not read")
    model, backbone, steps = start.train(kept, options.steps, bench)
    began = f"from {options.source}" if options.source else "from random weights"
    method = start.named(kept)[0]
    learned = f"what {found} have in common: {method}, {steps} steps {began}, no labels"
    runs.remember_seen(folder, unlabelled=kept.digests, sources=[options.source] if options.source else [])
    artifacts.save(folder, model, backbone, Classification(), {"data": str(options.unlabeled), "learned": learned})
    counts = {"examples": len(kept), "aside": len(examples) - len(kept)}
    return {"run": str(folder), "method": method, "steps": steps, **counts, "learned": learned}


def _start(options: Train) -> Start:
    return Start(options.backbone, options.source, options.method)


def _begin(options: Train) -> tuple[Path, Train, Examples]:
    """The folder, its options and the examples. Every mistake in what was asked is told before a folder is made."""
    if options.resume is not None:
        runs.only_resumes(to_plain(options), to_plain(Train()))
        folder, options = options.resume, build(Train, runs.options_of(options.resume, "train"), "train")
        return folder, options, _read(options)
    if options.data is None and options.unlabeled is None:
        raise UserError("option 'data' is missing: regraft train --data DIR --backbone small; or --unlabeled DIR")
    if options.data is not None and options.unlabeled is not None:
        raise UserError("the options 'data' and 'unlabeled' exclude each other; go on from one training with --source")
    detect(options.device, options.precision)
    seconds_of(options.budget)
    _only_unlabelled(options)
    examples = _read(options)
    if options.unlabeled is not None:
        _start(options).check(examples.take(aside_split(examples, options.aside, options.seed)[0]))
    else:
        backbone_for(options.backbone, examples).build(pretrained=False)
    plain = {k: v for k, v in to_plain(options).items() if k not in ("resume", "out")}
    data = options.data or options.unlabeled
    assert data is not None
    return runs.create(options.out, data.resolve().stem, plain, "train"), options, examples


def _only_unlabelled(options: Train) -> None:
    """Refuse options beside ``data`` that mean nothing there."""
    if options.data is not None:
        for name in ("source", "method", "steps", "budget", "aside"):
            if getattr(options, name) != getattr(Train(), name):
                raise UserError(f"option {name!r} goes with --unlabeled; with --data leave it out")


def _read(options: Train) -> Examples:
    if options.data is not None:
        return read(options.data, label=options.label, task=options.task, kind=options.kind)
    assert options.unlabeled is not None
    return read(options.unlabeled, labelled=False, label=options.label, kind=options.kind)


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    use = f"use it: regraft run --source {result['run']} --target DIR"
    if "learned" in result:
        return f"it knows {result['learned']}\n{use}"
    gauge = GAUGES[result["task"]]
    found, what = result["metrics"][gauge.metric], f"{len(result['classes']) or ''} {gauge.labels.many}".strip()
    right = f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
    return f"trained on {result['examples']} examples of {what}; {gauge.what} on a tenth set aside: {right}\n{use}"
