"""Train a source model on labelled data, for later runs to start from."""

import shlex
from pathlib import Path
from typing import Any, Literal

from regraft import artifacts, runs
from regraft.bench import Bench
from regraft.core.config import build, settings, to_plain
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.data.examples import Examples
from regraft.data.splits import holdout_split
from regraft.evaluation import evaluation, predict
from regraft.keeping import metrics
from regraft.readers._base import read
from regraft.runtime import detect
from regraft.sources import backbone_for, train_model
from regraft.tasks._choice import task_for


@settings
class Train:
    """Train a network from nothing on labelled examples and keep it as a source: ``regraft run --source runs/NAME``.

    A tenth of each class is set aside to measure it by.
    """

    data: Path | None = None
    """Folder with a folder of pictures (or sounds) per class, a table with a column label, or a file of arrays."""
    label: str = "label"
    """The column of a table, or the array, that holds the labels."""
    backbone: str = "small"
    """The network, as kind:architecture: timm:ARCH, torchvision:ARCH, hf:NAME; small suits the kind of examples."""
    task: Literal["auto", "classification", "regression"] = "auto"
    """What the labels are; auto: numbers if they are fractions of many values, else classes."""
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
    reporter.hint = f"Go on with: regraft train --resume {shlex.quote(str(folder))}"
    journal, runtime = runs.Journal(folder), detect(options.device, options.precision)
    clock = runs.Clock(journal, None)
    bench = Bench(journal, clock, reporter, runtime, options.precision == "auto", options.seed, runs.cache_folder())
    backbone = backbone_for(options.backbone, examples)
    dataset = bench.dataset(examples, backbone.preprocess)
    kept, aside = (dataset.take(part) for part in holdout_split(examples, 0.1, options.seed))
    model = train_model(kept, backbone, "training", bench)
    task = task_for(kept.examples, balanced=False)
    record = evaluation([predict(model, aside, backbone.preprocess, task, runtime)], aside, task)
    figures = metrics(record, task)
    artifacts.save(folder, model, backbone, task, {"data": str(options.data), "metrics": figures})
    result = {"run": str(folder), "metrics": figures, "classes": list(examples.classes), "examples": len(examples)}
    runs.write_json(folder / "train.json", result)
    return result


def _begin(options: Train) -> tuple[Path, Train, Examples]:
    """The folder, its options and the examples. Every mistake in what was asked is told before a folder is made."""
    if options.resume is not None:
        runs.only_resumes(to_plain(options), to_plain(Train()))
        folder, options = options.resume, build(Train, runs.options_of(options.resume), "train")
        return folder, options, _read(options)
    if options.data is None:
        raise UserError("option 'data' is missing: regraft train --data DIR --backbone small")
    detect(options.device, options.precision)
    examples = _read(options)
    backbone_for(options.backbone, examples).build(pretrained=False)
    plain = {k: v for k, v in to_plain(options).items() if k not in ("resume", "out")}
    return runs.create(options.out, options.data.resolve().stem, plain, "train"), options, examples


def _read(options: Train) -> Examples:
    assert options.data is not None
    return read(options.data, label=options.label, task=options.task, kind=options.kind)


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    name, what = ("accuracy", f"{len(result['classes'])} classes") if result["classes"] else ("mae", "numbers")
    found = result["metrics"][name]
    right = f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
    said = "accuracy" if result["classes"] else "mean absolute error"
    return (
        f"trained on {result['examples']} examples of {what}; {said} on a tenth set aside: {right}\n"
        f"use it: regraft run --source {result['run']} --target DIR"
    )
