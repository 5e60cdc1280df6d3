"""The finish: a contestant trained over the seeds, and what the holdout says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
from regraft.evaluation import evaluation, predict
from regraft.methods._base import Method
from regraft.model import Model, Problem
from regraft.sources import Source
from regraft.training import Engine, run


@dataclass(frozen=True)
class Finish:
    """Trains methods on one source over the seeds. The holdout comes in only afterwards, in ``measure``."""

    source: Source
    train_data: Dataset
    unlabeled: Dataset | None
    bench: Bench

    def problem(self, seed: int) -> Problem:
        """The problem of the ``seed``-th repetition; all contestants get the same seeds."""
        at = derive(self.bench.seed, "finish", seed)
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
            self._train_one(chosen.method, steps, seed)
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
        at = derive(self.bench.seed, "finish", 0)
        problem = self.source.problem(self.train_data.take(learn), self.unlabeled, at, self.bench.cache)
        method: Method = entry("methods", name).with_steps(steps)
        model = run(self.source.model, method.phases(problem), problem, Engine(self.source.training))
        shown, preprocess = self.train_data.take(valid), self.source.backbone.preprocess
        return predict(model, shown, preprocess, problem.task, self.source.inference)

    def _train_one(self, name: str, steps: int, seed: int) -> None:
        folder, problem = self._folder(name, seed), self.problem(seed)
        if (folder / "model.json").exists():  # trained in an earlier sitting
            return
        method: Method = entry("methods", name).with_steps(steps)
        with self.bench.engine(folder.name, self.source.training, steps) as engine:
            trained = run(self.source.model, method.phases(problem), problem, engine)
        artifacts.save(folder, trained, self.source.backbone, problem.task, {"method": name, "source": self.source.uri})

    def _folder(self, method: str, seed: int) -> Path:
        return self.bench.journal.path(f"finish-{catalog.filed(method)}-{seed}")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array to ``path``: whole or not at all."""
    temporary = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    temporary.replace(path)
