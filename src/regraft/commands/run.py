"""Transfer what sources know to a target, and prove that it helped."""

import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regraft import artifacts, finishing, guard, planning, runs
from regraft.bench import Bench
from regraft.commands._summary import summary
from regraft.core import catalog
from regraft.core.config import build, settings, to_plain
from regraft.core.duration import seconds_of
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.core.records import Evaluation, Verdict
from regraft.data.dataset import Dataset
from regraft.features import Memory, features
from regraft.preparing import Prepared, Request, prepare
from regraft.racing import Candidate, Entrants, Plan, Race
from regraft.ranking import rank
from regraft.report.html import render
from regraft.runtime import detect
from regraft.scores._base import Evidence
from regraft.sources import Source, check, open_source


@settings
class Run:
    """Choose a source and a method for the target, train it and a scratch model over the same seeds, and judge.

    Nothing selects on the holdout. The model that is not worse is kept.
    """

    target: Path | None = None
    """Folder with one folder of pictures per class, or a CSV of paths and labels."""
    source: tuple[str, ...] = ()
    """timm:ARCH or torchvision:ARCH (with @FILE for local weights), data:DIR, or an earlier run's folder; repeatable."""
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
    runtime = detect(options.device, options.precision)
    clock = runs.Clock(journal, seconds_of(options.budget))
    bench = Bench(journal, clock, reporter, runtime, options.precision == "auto", options.seed, runs.cache_folder())
    reporter.hint = f"Go on with: regraft run --resume {folder}"
    reporter.say(f"run folder: {folder}")
    return _Job(options, bench).run()


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


class _Job:
    """The six steps, each with the results of those before it."""

    def __init__(self, options: Run, bench: Bench) -> None:
        self.options, self.bench = options, bench
        self.data: Prepared = prepare(_request(options), bench.reporter)
        self.sources: list[Source] = []
        self.train: dict[str, Dataset] = {}
        self.unlabeled: dict[str, Dataset] = {}

    def run(self) -> dict[str, Any]:
        """Steps 2 to 6 of "Choosing and proving"."""
        self._open()
        ranking = self.bench.journal.once("ranking", self._rank)
        entrants = Entrants(self.sources, self.unlabeled, self.options.method)
        candidates, left_out = entrants.line_up()
        order = {row["source"]: row["rank"] for row in ranking}
        candidates.sort(key=lambda c: order[c.source])
        plan = Plan(**self.bench.journal.once("plan", lambda: to_plain(self._plan(candidates))))
        raced = self._race(entrants, candidates, plan)
        chosen, finish, seeds = self._finish(raced, plan)
        holdout = self.bench.dataset(self.data.holdout, finish.source.backbone.preprocess.size)
        records = [finish.measure(name, seeds, holdout) for name in (chosen.method, "scratch")]
        verdict = guard.judge(records[0], records[1], level=self.options.level)
        result = self._result(chosen, verdict, records, finish)
        result |= {
            "candidates": [c.plain() | ({"outcome": "finalist"} if c == chosen else {}) for c in raced],
            "ranking": ranking, "left_out": left_out, "seeds": seeds, "plan": to_plain(plan),
        }  # fmt: skip
        return self._keep(result, records, finish, holdout)

    def _open(self) -> None:
        for uri in dict.fromkeys(self.options.source):
            self.bench.reporter.say(f"source {uri}")
            source = open_source(uri, self.data.train, self.options.backbone, self.bench)
            size = source.backbone.preprocess.size
            self.sources.append(source)
            self.train[uri] = self.bench.dataset(self.data.train, size)
            if self.data.unlabeled is not None:
                self.unlabeled[uri] = self.bench.dataset(self.data.unlabeled, size)
            self.bench.clock.stamp()

    def _rank(self) -> list[dict[str, Any]]:
        evidence = {}
        for s in self.sources:
            train = self.train[s.uri]
            memory = Memory(s.inference, self.bench.cache)
            evidence[s.uri] = Evidence(features(s.model.backbone, train, s.backbone.preprocess, memory), train.labels)
        return rank(evidence, self.options.seed)

    def _plan(self, candidates: list[Candidate]) -> Plan:
        weights = [catalog.find("methods", c.method).cost for c in candidates]
        slow, fast = (max(s.cost[i] for s in self.sources) for i in (0, 1))
        costs = planning.Costs(slow, fast, min(32, len(self.data.train)), len(self.data.holdout), weights)
        return planning.plan(costs, self.bench.clock.left(), self.options.seeds)

    def _race(self, entrants: Entrants, candidates: list[Candidate], plan: Plan) -> list[Candidate]:
        race = Race(entrants, self.train, plan, self.bench)
        deadline = 0.0 if plan.note.startswith("the budget is too small") else float("inf")
        if self.bench.clock.budget is not None and deadline:
            deadline = self.bench.clock.spent + 0.45 * self.bench.clock.left()
        return race.run(candidates, self.bench.journal.once("deadline", lambda: min(deadline, 1e12)))

    def _finish(self, raced: list[Candidate], plan: Plan) -> tuple[Candidate, finishing.Finish, int]:
        """Train the best candidate and scratch; the next best if training breaks down."""
        able = [c for c in raced if c.outcome == "kept"] or [c for c in raced if c.outcome != "failed"]
        if able and able[0].score is None:  # nothing was tried: the surest method on the most promising source
            able.sort(key=lambda c: c.method != "logistic")
        for chosen in able:
            source = next(s for s in self.sources if s.uri == chosen.source)
            finish = finishing.Finish(source, self.train[source.uri], self.unlabeled.get(source.uri), self.bench)
            done = finishing.surviving_seeds(finish, chosen.method, plan.steps, plan.seeds)
            if done:
                seeds = finishing.surviving_seeds(finish, "scratch", plan.steps, done)
                return chosen, finish, seeds
        raise UserError("every candidate broke down (see the reasons in the journal); try --method logistic")

    def _result(
        self, chosen: Candidate, verdict: Verdict, records: list[Evaluation], finish: finishing.Finish
    ) -> dict[str, Any]:
        task = finish.problem(0).task
        kept = verdict.outcome != "hurts"
        what = {"source": chosen.source, "method": chosen.method} if kept else {"source": None, "method": "scratch"}
        sentence = verdict.sentence if kept else f"{verdict.sentence} The scratch model is kept."
        return {
            "verdict": verdict.outcome,
            "sentence": sentence,
            "gain": to_plain(verdict.gain),
            "tests": verdict.tests,
            "chosen": what,
            "finalist": {"source": chosen.source, "method": chosen.method},
            "shipped": "transfer" if kept else "scratch",
            "metrics": finishing.metrics_of(records[0], task),
            "baseline": finishing.metrics_of(records[1], task),
            "labels_read": [
                "labelled target examples, by cross-validation (race)",
                "none of the holdout before the judgement",
            ],
            "sources": [_described(s) for s in self.sources],
            "data": self.data.facts,
            "budget": self.bench.clock.budget,
            "command": _command(self.options),
            "run": str(self.bench.journal.folder),
            "version": version("regraft"),
        }

    def _keep(
        self, result: dict[str, Any], records: list[Evaluation], finish: finishing.Finish, holdout: Dataset
    ) -> dict[str, Any]:
        folder, source = self.bench.journal.folder, finish.source
        shipped = result["finalist"]["method"] if result["shipped"] == "transfer" else "scratch"
        model = finish.model(shipped, result["plan"]["steps"], 0)
        task = finish.problem(0).task
        result["precision_check"] = finishing.agreement(model, source, holdout, task)
        result["citations"] = {n: _reference(n) for n in {result["finalist"]["method"], "scratch"}}
        artifacts.save(folder, model, source.backbone, task, {"sentence": result["sentence"], **result["chosen"]})
        for name, record in zip(("chosen", "scratch"), records, strict=True):
            finishing.write_array(folder / "evaluation" / f"{name}-outputs.npy", record.outputs.astype(np.float32))
        shown = {"ids": holdout.examples.ids, "paths": [str(p.resolve()) for p in holdout.examples.paths]}
        shown |= {"targets": holdout.labels.tolist(), "classes": holdout.classes}
        runs.write_json(folder / "evaluation" / "holdout.json", shown)
        tuned = finish.model(result["finalist"]["method"], result["plan"]["steps"], 0)
        if self.bench.clock.left() > 10:
            runs.write_json(
                folder / "maps.json", finishing.maps(source.model, tuned, source, holdout, self.options.seed)
            )
        runs.write_json(folder / "environment.json", _environment(source))
        result["seconds"] = round(self.bench.clock.spent, 1)
        runs.write_json(folder / runs.RESULT, result)
        render(folder)
        return result


def _described(source: Source) -> dict[str, Any]:
    parameters = sum(p.numel() for p in source.model.backbone.parameters())
    kind = source.uri.partition(":")[0] if not Path(source.uri).is_dir() else "runs"
    return {"uri": source.uri, "kind": kind, "parameters": parameters, "understood": dict(source.understood)}


def _reference(method: str) -> str:
    text = catalog.find("methods", method).__doc__ or ""
    return " ".join(text.partition("Reference:")[2].split())


def _environment(source: Source) -> dict[str, str]:
    names = ("torch", "torchvision", "timm", "scikit-learn", "numpy")
    found = {name: version(name) for name in names}
    return {
        "python": platform.python_version(), **found, "device": source.training.device,
        "training precision": source.training.precision, "inference precision": source.inference.precision,
        "threads": str(torch.get_num_threads()), "machine": platform.machine(),
    }  # fmt: skip


def _command(options: Run) -> str:
    default, parts = Run(), ["regraft run"]
    for name, value in to_plain(replace(options, out=None, resume=None)).items():
        if value != to_plain(getattr(default, name)):
            for item in value if isinstance(value, list) else [value]:
                parts.append(f"--{name} {item}")
    return " ".join(parts)


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    return summary(result)
