"""Transfer what sources know to a target, and prove that it helped."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from regraft import runs
from regraft.bench import Bench
from regraft.commands._summary import summary
from regraft.core import catalog
from regraft.core.config import build, settings, to_plain
from regraft.core.duration import seconds_of
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.job import Job, Wanted
from regraft.preparing import Request, prepare
from regraft.report.html import render
from regraft.runtime import detect
from regraft.sources import check


@settings
class Run:
    """Choose a source and a method for the target, train it and a scratch model over the same seeds, and judge.

    Nothing selects on the holdout. The model that is not worse is kept.
    """

    target: Path | None = None
    """Folder with one folder of pictures per class, or a CSV of paths and labels."""
    source: tuple[str, ...] = ()
    """timm:ARCH or torchvision:ARCH (with @FILE for local weights), data:DIR, or a run's folder; repeatable."""
    test: Path | None = None
    """Labelled pictures to judge by; without it, part of the target is set aside."""
    unlabeled: Path | None = None
    """Pictures of the target domain without labels, for methods that can use them."""
    shots: int | None = None
    """Labels per class to learn from; the rest of the target is the holdout."""
    budget: str = "3m"
    """Time that the run may take: 90s, 10m, 2h; 'none' for no limit."""
    method: tuple[str, ...] = ()
    """A method to consider; without any, all that fit."""
    seeds: int = 3
    """Repetitions of the winner and of scratch."""
    seed: int = 0
    """Seed of everything random."""
    backbone: str = "small:conv"
    """The network that data: sources are trained in, as kind:architecture."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "auto"
    """auto (measured), fp32, bf16 or bf16-mixed (grouped convolutions in fp32)."""
    level: float = 0.95
    """Confidence of the intervals."""
    out: Path | None = None
    """Folder of the run; without it, a new one below runs/."""
    resume: Path | None = None
    """Go on with the run in this folder; its options are used."""


def main(options: Run, reporter: Reporter) -> dict[str, Any]:
    """Run to the end, or from where an earlier sitting stopped, and return the result as in ``run.json``.

    Raises:
        UserError: something was asked for that cannot be done; nothing is half-written.
    """
    folder, options = _folder(options)
    if (folder / runs.RESULT).exists():
        return runs.result_of(folder)
    journal = runs.Journal(folder)
    clock = runs.Clock(journal, seconds_of(options.budget))
    runtime = detect(options.device, options.precision)
    bench = Bench(journal, clock, reporter, runtime, options.precision == "auto", options.seed, runs.cache_folder())
    reporter.hint = f"Go on with: regraft run --resume {folder}"
    reporter.say(f"run folder: {folder}")
    wanted = Wanted(options.source, options.method, options.backbone, options.seeds, options.level)
    result = Job(prepare(_request(options), reporter), wanted, bench).run(_command(options))
    render(folder)
    return result


def _folder(options: Run) -> tuple[Path, Run]:
    if options.resume is not None:
        return options.resume, build(Run, runs.options_of(options.resume), "run")
    if options.target is None:
        raise UserError("option 'target' is missing: regraft run --target DIR --source SOURCE")
    if not options.source:
        raise UserError(
            "option 'source' is missing; give at least one, such as --source data:DIR or timm:resnet18@weights"
        )
    if options.seeds < 1:
        raise UserError(f"option 'seeds' must be at least 1, got {options.seeds}")
    seconds_of(options.budget)
    for uri in options.source:
        check(uri)
    for name in options.method:
        catalog.find("methods", name)
    prepare(_request(options), Reporter())  # every mistake in the data is told before a folder is made
    plain = {k: v for k, v in to_plain(options).items() if k not in ("resume", "out")}
    return runs.create(options.out, options.target.resolve().stem, plain), options


def _request(options: Run) -> Request:
    assert options.target is not None
    return Request(options.target, options.test, options.unlabeled, options.shots, options.seed)


def _command(options: Run) -> str:
    default, parts = Run(), ["regraft run"]
    for name, value in to_plain(replace(options, out=None, resume=None)).items():
        if value != to_plain(getattr(default, name)):
            parts += [f"--{name} {shlex.quote(str(item))}" for item in (value if isinstance(value, list) else [value])]
    return " ".join(parts)


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    return summary(result)
