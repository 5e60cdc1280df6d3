"""The finish: the winner and a scratch model of the same budget, over the same seeds, and what the holdout says."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from regraft import artifacts
from regraft.bench import Bench
from regraft.core.config import entry
from regraft.core.errors import CandidateError
from regraft.core.records import Evaluation
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.evaluation import evaluation, figures, predict
from regraft.features import forward
from regraft.methods._base import Method
from regraft.model import Model, Problem
from regraft.runtime import Runtime
from regraft.sources import Source
from regraft.tasks._base import Task
from regraft.training import run


@dataclass(frozen=True)
class Finish:
    """Trains one source's winner and its baseline. The holdout comes in only afterwards, in ``measure``."""

    source: Source
    train: Dataset
    unlabeled: Dataset | None
    bench: Bench

    def problem(self, seed: int) -> Problem:
        """The transfer problem of the ``seed``-th repetition; both contestants get the same seeds."""
        at = derive(self.bench.seed, "finish", seed)
        return self.source.problem(self.train, self.unlabeled, at, self.bench.cache)

    def model(self, method_name: str, steps: int, seed: int) -> Model:
        """A trained model; from its file if it was trained in an earlier sitting.

        Raises:
            CandidateError: the training broke down.
        """
        name = f"finish-{method_name}-{seed}"
        folder = self.bench.journal.path(name)
        problem = self.problem(seed)
        if not (folder / "model.json").exists():
            method: Method = entry("methods", method_name).with_steps(steps)
            with self.bench.engine(name, self.source.training, steps) as engine:
                trained = run(self.source.model, method.phases(problem), problem, engine)
            facts = {"method": method_name, "source": self.source.uri}
            artifacts.save(folder, trained, self.source.backbone, problem.task, facts)
        return artifacts.load(folder)[0]

    def measure(self, method_name: str, seeds: int, holdout: Dataset) -> Evaluation:
        """What the models of ``seeds`` repetitions make of the holdout."""
        found = []
        with self.bench.reporter.track(f"judge {method_name}", seeds) as advance:
            for seed in range(seeds):
                path = self.bench.journal.path(f"finish-{method_name}-{seed}") / "holdout.npy"
                if not path.exists():
                    model = artifacts.load(path.parent)[0]
                    predictions = predict(
                        model, holdout, self.source.backbone.preprocess, self.problem(seed).task, self.source.inference
                    )
                    write_array(path, predictions)
                found.append(np.load(path, allow_pickle=False))
                advance(seed + 1)
        return evaluation(found, holdout, self.problem(0).task)


def write_array(path: Any, array: np.ndarray) -> None:
    """Write an array to ``path``: whole or not at all."""
    temporary = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    temporary.replace(path)


def metrics_of(record: Evaluation, task: Task) -> dict[str, dict[str, float]]:
    """Every metric with its interval, as plain values."""
    return {
        name: {k: v for k, v in asdict(found).items() if k != "level"} for name, found in figures(record, task).items()
    }


def agreement(model: Model, source: Source, holdout: Dataset, task: Task) -> float:
    """Share of (at most 200) holdout examples on which the chosen precision and fp32 predict the same class."""
    some = holdout.take(np.arange(min(200, len(holdout))))
    exact = Runtime(device=source.inference.device)
    runs = [predict(model, some, source.backbone.preprocess, task, r).argmax(1) for r in (source.inference, exact)]
    return float((runs[0] == runs[1]).mean())


def maps(before: Model, after: Model, source: Source, holdout: Dataset, seed: int) -> dict[str, Any]:
    """Two-dimensional maps (t-SNE) of the features of at most 400 holdout examples, before and after transfer.

    Reference: van der Maaten and Hinton, Visualizing data using t-SNE, JMLR 2008.
    """
    from sklearn.manifold import TSNE

    rows = np.sort(np.random.default_rng(derive(seed, "maps")).permutation(len(holdout))[:400])
    some = holdout.take(rows)
    drawn: dict[str, Any] = {"targets": some.labels.tolist()}
    for name, model in (("before", before), ("after", after)):
        x = forward(model.backbone, some, source.backbone.preprocess, source.inference)
        perplexity = min(30.0, (len(some) - 1) / 3)
        if perplexity < 1:
            return {}
        placed = TSNE(perplexity=perplexity, init="pca", random_state=0, max_iter=500).fit_transform(x)
        drawn[name] = np.round(placed, 2).tolist()
    return drawn


def surviving_seeds(finish: Finish, method_name: str, steps: int, seeds: int) -> int:
    """Train ``method_name`` for each seed; how many were trained (all of them, unless memory or numbers broke down)."""
    for seed in range(seeds):
        try:
            finish.model(method_name, steps, seed)
        except CandidateError:
            return seed
        finish.bench.clock.stamp()
    return seeds


def free() -> None:
    """Give memory of finished models back."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
