"""Transfer what sources know to a target, and prove that it helped."""

import shlex
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from regraft import blind, runs
from regraft.bench import Bench, bounded
from regraft.candidates import AtHand, refuse
from regraft.commands._crew import compare, enter, hired, place_of
from regraft.commands._summary import summary
from regraft.core.config import build, entry, settings, to_plain
from regraft.core.duration import seconds_of
from regraft.core.errors import FutileError, UserError
from regraft.core.progress import Reporter
from regraft.crew import Place, Work
from regraft.job import Job, Wanted
from regraft.nested import ROOMY, Nested, afforded
from regraft.opening import Opening, backbone_for
from regraft.preparing import FOLDS, Prepared, Request, prepare
from regraft.readers._domains import single
from regraft.report.html import render
from regraft.runtime import Runtime, detect
from regraft.sources import check, try_out


@settings
class Run:
    """Choose a source and a method for the target, train it and a scratch model over the same seeds, and judge.

    Nothing selects on the holdout. The model that is not worse is kept.
    """

    target: Path | None = None
    """Folder with a folder of pictures (or sounds) per class, a table with a column label, or a file of arrays."""
    source: tuple[str, ...] = ()
    """timm:, torchvision:, torch: or hf:NAME (@FILE: weights); keras:, onnx: or glove:FILE; data:DIR; runs/NAME."""
    label: str = "label"
    """The column of tables, or the array, that holds the labels; or several of 0 and 1: red,round."""
    task: Literal["auto", "classification", "regression", "multilabel"] = "auto"
    """What the labels are; auto: numbers if many are fractions, sets if names with | or ; recombine, else classes."""
    kind: Literal["auto", "image", "audio", "text", "table", "vector"] = "auto"
    """What the examples are; auto: by the data."""
    test: Path | None = None
    """Labelled examples to judge by; without it, part of the target is set aside."""
    unlabeled: Path | None = None
    """Examples of the target domain without labels, for methods that can use them."""
    shots: int | None = None
    """Labels per class (of numbers: in all) to learn from, the rest is the holdout; 0: the labels judge only."""
    folds: int | None = None
    """Without a holdout: outer folds that judge all labels in turn, choice and all; 0: a holdout; by itself if few."""
    repeats: int = 1
    """How often to divide into folds: what depends on the division averages out."""
    budget: str = "220s"
    """Time that the run may take: 90s, 10m, 2h; 'none' for no limit."""
    steps: int | None = None
    """Steps of a full descent; without it, as many as the budget affords on this machine."""
    method: tuple[str, ...] = ()
    """A method to consider, with options as in l2_sp?weight=0.1; without any, one of each sort that fits."""
    select: str = "nuclear_norm"
    """With --shots 0: the selector that compares candidates without any label of the target."""
    seeds: int = 3
    """Repetitions of the winner and of scratch."""
    seed: int = 0
    """Seed of everything random."""
    backbone: str = "small"
    """The network that data: sources are trained in, as kind:architecture; small suits the kind of examples."""
    vocabulary: Literal["source", "target", "both"] = "source"
    """Tokens that sources of text read: their own, the target's in their place (what both know is kept), or both."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "auto"
    """auto (measured), fp32, bf16 or bf16-mixed (grouped convolutions in fp32)."""
    contributions: Literal["auto", "yes", "no"] = "auto"
    """After the verdict: what each part of the finalist, and its source, contributed; auto: if the budget has time."""
    ensemble: Literal["auto", "yes", "no"] = "auto"
    """Whether several candidates that tie may answer together; auto: if no method was named and there is time."""
    level: float = 0.95
    """Confidence of the intervals."""
    out: Path | None = None
    """Folder of the run; without it, a new one below runs/."""
    resume: Path | None = None
    """Go on with the run in this folder; its options are used, but for workers where they are given."""
    workers: int | None = None
    """Trials at once, in a process each; without it, one for each GPU that device auto finds, else one."""
    cluster: str | None = None
    """Trials on a Ray cluster: auto, HOST:PORT, ray://HOST:PORT; local starts one on this machine; none: no cluster."""


def main(options: Run, reporter: Reporter) -> dict[str, Any]:
    """Run to the end, or from where an earlier sitting stopped, and return the result as in ``run.json``.

    Raises:
        UserError: something was asked for that cannot be done; nothing is half-written.
    """
    begun, resumed = reporter.begun or time.monotonic(), options.resume
    if resumed is None:
        runtime, data = _checked(options, reporter)
        folder = runs.create(options.out, _named(options), _kept(options))
    else:
        folder, options = resumed, _resumed(options, resumed)
        if (folder / runs.RESULT).exists():
            return _finished(folder)
        runtime, data = detect(options.device, options.precision), prepare(_request(options), reporter)
    reporter.hint = f"Go on with: regraft run --resume {shlex.quote(str(folder))}"
    reporter.say(f"run folder: {folder}")
    bench = replace(_bench(options, runs.Journal(folder), runtime, begun), reporter=reporter)
    try:
        with closing(hired(options, place_of(folder, data, runtime.device), opened)) as crew:
            result = _job(options, data, replace(bench, crew=crew)).run(_command(options))
    except FutileError:
        if resumed is None:
            runs.discard(folder)
        raise
    render(folder)
    return result


def opened(place: Place) -> Work:
    """The run in a folder, as a worker opens it: from the options and the journal that are there.

    Raises:
        UserError: the worker does not see what the run sees.
    """
    enter(place)
    options = build(Run, runs.options_of(place.folder, "run"), "run")
    runtime = detect(place.device, options.precision)
    bench = replace(_bench(options, runs.Foreign(place.folder), runtime), cache=place.cache)
    data = prepare(_request(options), bench.reporter)
    compare(place, data)
    return _job(options, data, bench).do


def _resumed(options: Run, folder: Path) -> Run:
    """The options of the run in a folder, but for who does the work, where that is given."""
    runs.only_resumes(to_plain(replace(options, workers=None, cluster=None)), to_plain(Run()))
    kept = build(Run, runs.options_of(folder, "run"), "run")
    return replace(kept, workers=options.workers or kept.workers, cluster=options.cluster or kept.cluster)


def _bench(options: Run, journal: runs.Journal, runtime: Runtime, begun: float | None = None) -> Bench:
    clock, cache = runs.Clock(journal, seconds_of(options.budget), begun), bounded(runs.cache_folder())
    return Bench(journal, clock, Reporter(), runtime, options.precision == "auto", options.seed, cache)


def _job(options: Run, data: Prepared, bench: Bench) -> Job:
    asked = (options.seeds, options.level, options.steps, options.select, options.contributions, options.ensemble)
    wanted = Wanted(options.source, options.method, _opening(options, data), *asked)
    return (Nested if data.outer else Job)(data, wanted, bench)


def _checked(options: Run, reporter: Reporter) -> tuple[Runtime, Prepared]:
    """The runtime and the divided target. Every mistake in what was asked is told here, before a folder is made."""
    _sensible(options)
    for uri in options.source:
        check(uri)
    for name in options.method:
        entry("methods", name)
    data_given = any(uri.startswith("data:") for uri in single(options.source))
    at_hand = AtHand(data_given, options.unlabeled is not None, options.shots == 0)
    refuse(options.method, at_hand)
    runtime = detect(options.device, options.precision)
    data = prepare(_request(options), reporter)
    refuse(options.method, at_hand, data.train.labelling)
    if data.blind:
        blind.unnamed(data.given, options.source, data.train, options.method)
    backbone_for(options.backbone, data.train).build(pretrained=False)
    for uri in options.source:
        try_out(uri, data.train, _opening(options, data))
    return runtime, data


def _sensible(options: Run) -> None:
    """Refuse options that make no sense whatever the data are."""
    if options.target is None:
        raise UserError("option 'target' is missing: regraft run --target DIR --source SOURCE")
    if not options.source:
        raise UserError(
            "option 'source' is missing; give at least one, such as --source data:DIR or timm:resnet18@weights"
        )
    if options.seeds < 1:
        raise UserError(f"option 'seeds' must be at least 1, got {options.seeds}")
    if options.workers is not None and options.workers < 1:
        raise UserError(f"option 'workers' must be at least 1, got {options.workers}")
    if options.steps is not None and options.steps < 1:
        raise UserError(f"option 'steps' must be at least 1, got {options.steps}")
    if options.seed < 0:
        raise UserError(f"option 'seed' must be 0 or more, got {options.seed}")
    if options.shots is not None and options.shots < 0:
        raise UserError(f"option 'shots' must be 0 (no labels) or more, got {options.shots}")
    if not 0 < options.level < 1:
        raise UserError(f"option 'level' must be between 0 and 1, such as 0.95, got {options.level}")
    seconds_of(options.budget)
    _divided(options)
    blind.check(options.select)
    if options.select != Run().select and options.shots != 0:
        raise UserError(
            "option 'select' is for --shots 0: where there are labels, cross-validation compares candidates"
        )


def _divided(options: Run) -> None:
    """Refuse folds that cannot be, or for which there is no time."""
    folds, repeats = options.folds, options.repeats
    if folds is not None and (folds < 0 or folds == 1):
        raise UserError(f"option 'folds' must be 2 or more, or 0 for a holdout, got {folds}")
    if repeats < 1 or (repeats > 1 and not folds):
        raise UserError(f"option 'repeats' must be 1 or more, and above 1 with --folds, got {repeats}")
    if folds and (options.test is not None or options.shots is not None):
        other = "test" if options.test is not None else "shots"
        raise UserError(f"option 'folds' judges by all of the target in turn; leave it or --{other} out")
    if folds and options.steps is None:
        afforded(seconds_of(options.budget), folds, repeats)


def _roomy(options: Run) -> bool:
    """Whether folds that nobody asked for have time enough: with --steps they would take more of it than expected."""
    budget = seconds_of(options.budget)
    return options.steps is None and (budget is None or budget / (FOLDS + 1) >= ROOMY)


def _finished(folder: Path) -> dict[str, Any]:
    if not (folder / "report.html").exists():  # stopped between the result and its report
        render(folder)
    return runs.result_of(folder)


def _named(options: Run) -> str:
    assert options.target is not None
    return options.target.resolve().stem


def _kept(options: Run) -> dict[str, Any]:
    return {k: v for k, v in to_plain(options).items() if k not in ("resume", "out")}


def _request(options: Run) -> Request:
    assert options.target is not None
    where = (options.target, options.test, options.unlabeled)
    asked = Request(*where, options.shots, options.seed, options.label, options.task, options.kind, options.source)
    return replace(asked, folds=options.folds, repeats=options.repeats, roomy=_roomy(options))


def _opening(options: Run, data: Prepared) -> Opening:
    return Opening(options.backbone, options.vocabulary, data.given)


def _command(options: Run) -> str:
    default, parts = Run(), ["regraft run"]
    for name, value in to_plain(replace(options, out=None, resume=None)).items():
        if value != to_plain(getattr(default, name)):
            parts += [f"--{name} {shlex.quote(str(item))}" for item in (value if isinstance(value, list) else [value])]
    return " ".join(parts)


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    return summary(result)
