"""A finished run, opened again: its sources as it opened them, its candidates, and examples that it never saw."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch
from build import Laid
from tasks import Task
from torch import nn

from regraft import artifacts
from regraft.bench import Bench, bounded
from regraft.candidates import Candidate, Entrants
from regraft.core import catalog
from regraft.core.errors import CandidateError, UserError
from regraft.core.progress import Reporter
from regraft.data.examples import Examples
from regraft.evaluation import predict
from regraft.features import Memory, features
from regraft.finishing import Finish
from regraft.opening import Opening
from regraft.preparing import Prepared, Request, prepare
from regraft.racing import Plan, Race
from regraft.ranking import known_of, rank
from regraft.runs import Clock, Journal, cache_folder
from regraft.runtime import detect
from regraft.scores._base import Evidence
from regraft.sources import Source, open_source, scratch_source


class Reopened:
    """The run of a task in its folder. What it trained and measured of its sources is in its journal, and used."""

    def __init__(self, task: Task, laid: Laid, folder: Path, seeds: int) -> None:
        self.task, self.laid, self.seeds = task, laid, seeds
        journal = Journal(folder)
        clock, runtime = Clock(journal, None), detect("cpu", "fp32")
        self.bench = Bench(journal, clock, Reporter(), runtime, False, task.seed, bounded(cache_folder()))

    @cached_property
    def data(self) -> Prepared:
        return self._prepared(self.laid.holdout)

    @cached_property
    def final(self) -> Examples:
        return self._prepared(self.laid.final).holdout

    @cached_property
    def sources(self) -> list[Source]:
        opening = Opening(read=self.data.given)
        return [open_source(uri, self.data.train, opening, self.bench) for uri in dict.fromkeys(self.laid.sources)]

    @cached_property
    def baselines(self) -> list[Source]:
        """As a run has them: the small network, and each architecture of the sources."""
        small = scratch_source("small", self.data.train, self.bench)
        able = [s for s in reversed(self.sources) if s.learns and s.backbone != small.backbone]
        others = {repr(s.backbone.untrained): s for s in able}
        return [small, *others.values()]

    @cached_property
    def candidates(self) -> list[tuple[str, str]]:
        """Source and method of everything that may be shipped, the baselines last."""
        ready = Entrants(self.sources, {}, (), self.baselines, self.data.train.labelling).line_up()[0]
        return [(c.source, c.method) for c in ready] + [(s.uri, "scratch") for s in self.baselines]

    def named(self, uri: str) -> str:
        """A short name: that of the task's list, or ``scratch0`` (the small network) and so on."""
        names = {u: name for u, (_, name) in zip(self.laid.sources, self.task.sources, strict=True)}
        number = {s.uri: i for i, s in enumerate(self.baselines)}
        return names[uri] if uri in names else f"scratch{number[uri]}"

    def in_full(self, candidate: tuple[str, str], steps: int, folder: Path) -> dict[str, Any]:
        """A candidate trained in full over the seeds, and its mean score on the holdout and on the final examples."""
        uri, method = candidate
        pool = self.baselines if method == "scratch" else self.sources
        source = next(s for s in pool if s.uri == uri)
        data = self.bench.dataset(self.data.train, source.backbone.preprocess)
        with TemporaryDirectory() as place:
            bench = replace(self.bench, journal=Journal(Path(place)))
            finish = Finish(source, data, None, bench)
            begun = time.process_time()
            if method == "scratch":
                steps = self._scratch_steps(source, steps)
            done = finish.train(Candidate(uri, method), steps, self.seeds)
            cpu = time.process_time() - begun
            if done < self.seeds:
                raise CandidateError(f"broke down in repetition {done + 1}")
            models = [finish.load(method, seed) for seed in range(self.seeds)]
        task, parts = finish.problem(0).task, []
        for examples in (self.data.holdout, self.final):
            judged = self.bench.dataset(examples, source.backbone.preprocess)
            said = [predict(m, judged, source.backbone.preprocess, task, source.inference) for m in models]
            parts.append(task.utility(np.stack(said), judged.labels))
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{self.named(uri)} {method}.npz", holdout=parts[0], final=parts[1])
        scores = [(part.mean(1) + self.task.numeric).tolist() for part in parts]
        about = {"source": uri, "method": method, "steps": steps, "train_cpu": cpu}
        return {**about, "holdout": scores[0], "final": scores[1]}

    def of_run(self, method: str) -> np.ndarray:
        """Scores (seeds, examples) on the final examples of the models that the run trained with ``method``."""
        found = []
        for seed in range(self.seeds):
            model, backbone = artifacts.load(self.bench.journal.path(f"finish-{catalog.filed(method)}-{seed}"))
            judged = self.bench.dataset(self.final, backbone.preprocess)
            assert model.task is not None
            said = predict(model, judged, backbone.preprocess, model.task, self.bench.runtime)
            found.append(model.task.utility(said, judged.labels) + self.task.numeric)
        return np.stack(found)

    def ranked(self, logme: Path | None) -> dict[str, Any]:
        """The combined rank of each source, every score, and the authors' LogME if their file was given."""
        begun = time.process_time()
        known = {
            s.uri: known_of(s, self.bench.dataset(self.data.train, s.backbone.preprocess), self.bench)
            for s in self.sources
        }
        rows = rank(known, self.task.seed)
        cpu = time.process_time() - begun
        scores = {n: [_score(n, known[s.uri]) for s in self.sources] for n in catalog.names("scores")}
        if logme is not None:
            scores["logme, authors' code"] = _authors([known[s.uri] for s in self.sources], logme)
        place = {row["source"]: row["rank"] for row in rows}
        return {"sources": [s.uri for s in self.sources], "ranks": [place[s.uri] for s in self.sources],
                "scores": scores, "rank_cpu": cpu}  # fmt: skip

    def exported(self, finalist: str, path: Path) -> dict[str, Any]:
        """What other systems are given: the network of the finalist with its inputs, and features of all sources."""
        chosen = next(s for s in self.sources if s.uri == finalist)
        network, found = chosen.model.backbone if chosen.learns else nn.Identity(), dict[str, Any]()
        for name, examples in (("train", self.data.train), ("final", self.final)):
            each = {s.uri: self._features(s, examples) for s in self.sources}
            data, preprocess = self.bench.dataset(examples, chosen.backbone.preprocess), chosen.backbone.preprocess
            x = preprocess.tensor(data.arrays[data.rows]) if chosen.learns else torch.tensor(each[finalist])
            found[name] = {"x": x.contiguous(), "y": data.labels, "features": np.hstack(list(each.values()))}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({**found, "network": network, "classes": len(self.data.train.classes)}, path)
        return {"source": finalist}

    def _features(self, source: Source, examples: Examples) -> np.ndarray:
        data = self.bench.dataset(examples, source.backbone.preprocess)
        return features(source.model.backbone.eval(), data, source.backbone.preprocess, Memory(source.inference, None))

    def _prepared(self, test: Path) -> Prepared:
        kind = "regression" if self.task.numeric else "classification"
        asked = Request(self.laid.train, test, None, None, self.task.seed, task=kind, sources=self.laid.sources)
        return prepare(asked, Reporter())

    def _scratch_steps(self, source: Source, steps: int) -> int:
        """As many steps as a run gives a baseline in this network, for about the time of the slowest source."""
        entrants = Entrants(self.sources, {}, (), self.baselines, self.data.train.labelling)
        train = {s.uri: self.bench.dataset(self.data.train, s.backbone.preprocess) for s in entrants.sources[:1]}
        race = Race(entrants, train, Plan(steps, 2, self.seeds, timed=False), {}, self.bench)
        return race.steps(Candidate(source.uri, "scratch"))


def _score(name: str, known: Evidence) -> float | None:
    """A score, None where it cannot be had."""
    try:
        return float(catalog.find("scores", name)()(known))
    except UserError:
        return None


def _authors(known: Sequence[Evidence], file: Path) -> list[float]:
    """LogME by its authors' program, which is compiled in their hands and not here: the numbers are the same."""
    sys.modules.setdefault("numba", ModuleType("numba")).__dict__.setdefault("njit", lambda function: function)
    program: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), program)
    numeric = known[0].labels.dtype.kind == "f"
    return [float(program["LogME"](regression=numeric).fit(np.asarray(k.features), k.labels)) for k in known]
