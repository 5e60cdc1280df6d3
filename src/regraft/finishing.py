"""The finish: a contestant trained over the seeds, and what the holdout says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from regraft import artifacts
from regraft.bench import Bench
from regraft.candidates import Candidate
from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError
from regraft.core.records import Evaluation
from regraft.core.seeding import derive
from regraft.crew import Order
from regraft.data.dataset import Dataset
from regraft.data.splits import Split
from regraft.ensemble import SideBySide, Together, together
from regraft.evaluation import evaluation, predict
from regraft.methods._base import Method
from regraft.model import Model, Problem
from regraft.preprocessing._several import Several
from regraft.sources import Source
from regraft.training import Engine, run


@dataclass(frozen=True)
class Finish:
    """Trains methods on one source over the seeds. The holdout comes in only afterwards, in ``measure``."""

    source: Source
    train_data: Dataset
    unlabeled: Dataset | None
    bench: Bench
    draw: int = 0
    """Which of several trainings of one method with one seed it makes."""
    part: str = ""
    """What its folders begin with, where it is a part of a team."""

    def problem(self, seed: int) -> Problem:
        """The problem of the ``seed``-th repetition; all contestants get the same seeds."""
        at = derive(self.bench.seed, "finish", seed, *([self.draw] if self.draw else []))
        return self.source.problem(self.train_data, self.unlabeled, at, self.bench.cache)

    def train(self, chosen: Candidate, steps: int, seeds: int) -> int:
        """Train a candidate for each seed; how many models there are: all, unless numbers or memory broke down."""
        method, done = chosen.method, seeds
        names = (self._folder(method, seed).name for seed in range(seeds))
        each = (Order(name, "repetition", (chosen, steps, seed)) for seed, name in enumerate(names) if done == seeds)
        for order, found in self.bench.crew.each(each, lambda order: self.repeat(*order.given)):
            seed = order.given[-1]
            if "failed" in found:
                self.bench.reporter.say(f"{method}, repetition {seed + 1}: {found['failed']}")
                done = min(done, seed)
            self.bench.clock.stamp()
        return done

    def repeat(self, chosen: Candidate, steps: int, seed: int) -> dict[str, Any]:
        """Train for one seed; empty, or why that broke down. Workers do this too."""
        try:
            self.make(chosen.method, steps, seed)
        except CandidateError as error:
            return {"failed": str(error)}
        return {}

    def load(self, method: str, seed: int) -> Model:
        """The model that ``train`` made."""
        return artifacts.load(self._folder(method, seed))[0]

    def measure(self, method: str, seeds: int, holdout: Dataset) -> Evaluation:
        """What the models of all seeds make of the holdout."""
        found = []
        with self.bench.reporter.track(f"judge {method}", seeds) as advance:
            for seed in range(seeds):
                path = self._folder(method, seed) / "holdout.npy"
                if not path.exists():
                    model, task = self.load(method, seed), self.problem(seed).task
                    preprocess, runtime = self.source.backbone.preprocess, self.source.inference
                    write_array(path, predict(model, holdout, preprocess, task, runtime))
                found.append(np.load(path, allow_pickle=False))
                advance(seed + 1)
        return evaluation(found, holdout, self.problem(0).task)

    def crossed(self, method: str, steps: int, splits: Sequence[Split]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What models that did not learn from them make of the labelled examples: cross-validation over ``splits``.

        Returns:
            Rows of the examples (M,), their predictions (M, K), and which split judged each (M,).

        Raises:
            CandidateError: numbers or memory broke down.
        """
        found = []
        with self.bench.reporter.track(f"calibrate {method}", len(splits)) as advance:
            for number, (learn, valid) in enumerate(splits):
                path = self.bench.journal.path(f"calibrate-{catalog.filed(method)}-{number}.npy")
                if not path.exists():
                    write_array(path, self._without(method, steps, learn, valid))
                found.append(np.load(path, allow_pickle=False))
                self.bench.clock.stamp()
                advance(number + 1)
        part = np.repeat(np.arange(len(splits)), [len(one) for one in found])
        return np.concatenate([valid for _, valid in splits]), np.concatenate(found), part

    def _without(self, name: str, steps: int, learn: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """What the first seed's model makes of examples ``valid`` if it learns from ``learn`` only."""
        model, shown = self.learned(name, steps, learn, ("finish", 0)), self.train_data.take(valid)
        assert model.task is not None  # it has learned from labels
        return predict(model, shown, self.source.backbone.preprocess, model.task, self.source.inference)

    def learned(self, method: str, steps: int, rows: np.ndarray, purpose: tuple[str | int, ...]) -> Model:
        """A model that learned from some ``rows`` of the labelled examples alone; it is not kept."""
        at = derive(self.bench.seed, *purpose, *([self.draw] if self.draw else []))
        problem = self.source.problem(self.train_data.take(rows), self.unlabeled, at, self.bench.cache)
        prepared: Method = entry("methods", method).with_steps(steps)
        return run(self.source.model, prepared.phases(problem), problem, Engine(self.source.training))

    def make(self, name: str, steps: int, seed: int) -> None:
        """Train the model of one seed, unless an earlier sitting did."""
        folder, problem = self._folder(name, seed), self.problem(seed)
        if (folder / "model.json").exists():
            return
        method: Method = entry("methods", name).with_steps(steps)
        with self.bench.engine(folder.name, self.source.training, steps) as engine:
            trained = run(self.source.model, method.phases(problem), problem, engine)
        artifacts.save(folder, trained, self.source.backbone, problem.task, {"method": name, "source": self.source.uri})

    def _folder(self, method: str, seed: int) -> Path:
        return self.bench.journal.path(f"finish-{self.part}{catalog.filed(method)}-{seed}")


Part = tuple[Finish, str, int]
"""One of the models that answer together: its finish, method and steps."""


@dataclass(frozen=True)
class Team(Finish):
    """A finish of several ``parts``, whose models answer together."""

    parts: tuple[Part, ...] = ()

    def load(self, method: str, seed: int) -> Model:
        """See `Finish.load`. It reads what the team reads, of which saved parts have copies in places of their own."""
        model = super().load(method, seed)
        networks, preprocess = [one.backbone for one, _ in model.members], self.source.backbone.preprocess
        assert isinstance(preprocess, Several)
        model.backbone = SideBySide(networks, preprocess)
        return model

    def learned(self, method: str, steps: int, rows: np.ndarray, purpose: tuple[str | int, ...]) -> Model:
        """See `Finish.learned`."""
        models = [
            (part.learned(name, length, rows, purpose), part.source.backbone) for part, name, length in self.parts
        ]
        return together(models)[0]

    def make(self, name: str, steps: int, seed: int) -> None:
        """See `Finish.make`."""
        folder = self._folder(name, seed)
        if (folder / "model.json").exists():
            return
        for part, method, length in self.parts:
            part.make(method, length, seed)
        model, backbone = together([(part.load(method, seed), part.source.backbone) for part, method, _ in self.parts])
        facts = {"method": name, "source": self.source.uri}
        artifacts.save(folder, model, backbone, self.problem(seed).task, facts)


def team(uri: str, parts: Sequence[Part]) -> Team:
    """The finish of several parts, each of which trains as it would alone; of equal ones each has its own draw."""
    numbered = list[Part]()
    for place, (finish, method, steps) in enumerate(parts):
        before = sum((each.source.uri, name) == (finish.source.uri, method) for each, name, _ in numbered)
        numbered.append((replace(finish, draw=before, part=f"part-{place}-"), method, steps))
    first, sources = parts[0][0], [finish.source for finish, _, _ in parts]
    backbone = Together(tuple(source.backbone for source in sources))
    network = SideBySide([source.model.backbone for source in sources], backbone.preprocess)
    cost = sum(source.cost[0] for source in sources), sum(source.cost[1] for source in sources)
    model = Model(network, nn.Identity(), ())
    alike = len({source.backbone.preprocess.key for source in sources}) == 1
    data = first.train_data if alike else first.bench.dataset(first.train_data.examples, backbone.preprocess)
    whole = replace(first.source, uri=uri, backbone=backbone, model=model, domain=None, cost=cost)
    return Team(whole, data, first.unlabeled, first.bench, parts=tuple(numbered))


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array to ``path``: whole or not at all."""
    temporary = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    temporary.replace(path)
