"""The examples in adapt's documentation: its scores as printed there, its scores here, and Regraft's.

    python benchmarks/adapt_examples.py [--tensorflow PYTHON] [--draws 40] [--only NAME ...] [--out FILE]

Each class of adapt is documented by one example on a hundred source and target examples that it draws: two classes of
two features, or numbers of one. The first draw is the documented one, so what is printed there can be found again; the
others come from the same code with other seeds. The score is accuracy, or R2 of numbers.

Weightings and alignments have the documented estimator behind them, a ridge; adapt's have the documented options,
Regraft's their own, but for the width of kernels where it is given. Boosting has Regraft's own linear heads on our
side. What descends without labels of the target has adapt's network, one layer of ten as features and two above, on
both sides, from random weights, for 400 steps of 32, those of a hundred epochs, after as many on the source where the
example has that; RMSprop at 1e-3 there, the defaults of our methods here (AdamW up to 1e-3, a running average). What
learns from three target labels starts from a small network of Regraft's that has learned the source for 200 steps. Deep
methods of adapt need tensorflow, which cannot be in one process with torch: PYTHON is an interpreter that has adapt and
tensorflow, and gets the same arrays.
Where our side refuses (no learner is better than chance), it counts as a head on the source alone.
"""

import argparse
import json
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import _without_tensorflow
import numpy as np
import torch
from _measuring import machine, table, write
from alignments import Pair
from reviews import CLASSES, Way
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import r2_score
from torch import nn

from regraft.backbones._base import Network
from regraft.core import allocator, catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.examples import Examples
from regraft.evaluation import predict
from regraft.heads._boosting import Pool, tradaboost, tradaboost_r2, two_stage
from regraft.heads._layers import through
from regraft.model import Model, Problem
from regraft.runtime import Runtime
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Descent, Phase, run

STEPS = 400
"""A hundred epochs of a hundred examples in batches of 32."""
Score = Callable[[Pair], float]


def weighted(name: str, pair: Pair, alpha: float = 1.0, **options: Any) -> float:
    """A ridge on weighted source examples."""
    weights = entry("weightings", {"name": name, **options})(pair.source, pair.target)
    return float(RidgeClassifier(alpha).fit(pair.source, pair.labels, weights).score(pair.target, pair.truth))


def aligned(name: str, pair: Pair, labels: int = 0, **options: Any) -> float:
    """A ridge on aligned source examples and the first target examples, as many as have labels."""
    known = np.full(len(pair.truth), -1)
    known[:labels] = pair.truth[:labels]
    found = entry("alignments", {"name": name, **options}).fit(pair.source, pair.labels, pair.target, known)
    x, z = found.source(pair.source), found.target(pair.target)
    ridge = RidgeClassifier().fit(np.concatenate([x, z[:labels]]), np.concatenate([pair.labels, known[:labels]]))
    return float(ridge.score(z, pair.truth))


def boosted(boost: Callable[..., Any], pair: Pair, labels: int = 10) -> float:
    """Boosting over the source and the first target examples."""
    x, y = np.concatenate([pair.source, pair.target[:labels]]), np.concatenate([pair.labels, pair.truth[:labels]])
    numbers = y.dtype.kind == "f"
    head = entry("heads", "ridge" if numbers else "logistic")
    pool = Pool(x, y, len(pair.source), head, 1 if numbers else 2)
    try:
        found = through(boost(pool, 10), pair.target)
    except CandidateError:  # a race would go on without it
        (weight, bias), _ = pool.fit(np.repeat([1.0, 0.0], [len(pair.source), labels]))
        found = pair.target @ weight + bias
    return float(r2_score(pair.truth, found[:, 0]) if numbers else np.mean(found.argmax(1) == pair.truth))


class Small(Way):
    """One draw as a problem with labels of the first target examples, and a network that learned the source."""

    def __init__(self, pair: Pair, labels: int, runtime: Runtime) -> None:
        self.numbers = pair.labels.dtype.kind == "f"
        super().__init__(pair, "network", 0, runtime)
        if labels:
            few = self.target.take(np.arange(labels))
            self.problem = replace(
                self._problem(Domain("target", few, self.target.unlabelled())),
                source=self.problem.source,
                source_model=self.problem.source_model,
            )

    def _dataset(self, items: Any, labels: np.ndarray) -> Dataset:
        if not self.numbers:
            return super()._dataset(items, labels)
        names = tuple(map(str, items))
        examples = Examples(names, tuple(i.digest for i in items), items, labels, (), kind="vector")
        return whole(examples, self.backbone.preprocess.decode(items))

    def alone(self) -> Problem:
        """The source as what is to be learned."""
        return self._problem(Domain("source", self.source))

    def score(self, method: str | dict[str, Any]) -> float:
        """What a method makes of all target examples."""
        phases = entry("methods", method).with_steps(STEPS).phases(self.problem)
        assert self.problem.source_model is not None
        model = run(self.problem.source_model, phases, self.problem, self.engine)
        if not self.numbers:
            return self.right(model, self.target)
        said = predict(model, self.target, self.backbone.preprocess, self.problem.task, self.engine.runtime)
        return float(r2_score(self.target.labels, said.ravel()))


def adapted(name: str, pair: Pair, before: int = 0) -> float:
    """A method that needs no target label, on adapt's network, after ``before`` steps on the source."""
    way = Small(pair, 0, Runtime(threads=1))
    torch.manual_seed(0)
    features, above = (nn.Sequential(nn.Linear(width, 10), nn.ReLU()) for width in (pair.source.shape[1], 10))
    head = nn.Sequential(above, nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 2))
    model = Model(Network([features], 10), head, CLASSES)
    model.task = way.problem.task
    if before:
        phase = Phase(terms={"source": Weighted(term=Supervised())}, descent=Descent(steps=before, average=0.98))
        model = run(model, (phase,), way.alone(), way.engine)
    problem = replace(way.problem, source_model=model)
    method = catalog.find("methods", name)().with_steps(STEPS)
    return way.right(run(model, method.phases(problem), problem, way.engine), way.target)


def descended(method: str | dict[str, Any], pair: Pair, labels: int = 0) -> float:
    """A method of the catalogue on a small network."""
    return Small(pair, labels, Runtime(threads=1)).score(method)


GRID = {"kernel": "rbf", "lambdas": [0.1, 1.0, 10.0], "gamma": [0.1, 1.0, 10.0]}
BOOST, COMPONENT = {"n_estimators": 10}, {"n_components": 1, "mu": 0.1, "kernel": "rbf", "gamma": 0.1}
# What is printed (of FineTuning a squared error of 0.111, where the variance is 0.170), target labels, the documented
# options, and Regraft's side; the second table needs tensorflow.
CLOSED: dict[str, tuple[float, int, dict[str, Any], Score]] = {
    "KLIEP": (0.85, 0, {"kernel": "rbf", "gamma": [0.1, 1.0]}, partial(weighted, "kliep", gamma=1.0)),
    "KMM": (0.76, 0, {"kernel": "rbf", "gamma": 1.0}, partial(weighted, "kmm", gamma=1.0)),
    "ULSIF": (0.71, 0, GRID, partial(weighted, "ulsif", alpha=0.0)),
    "RULSIF": (0.71, 0, {**GRID, "alpha": 0.1}, partial(weighted, "rulsif", alpha=0.0)),
    "NearestNeighborsWeighting": (0.66, 0, {"n_neighbors": 5}, partial(weighted, "nearest_neighbour")),
    "IWC": (0.74, 0, {}, partial(weighted, "domain_classifier", alpha=0.0)),
    "CORAL": (0.86, 0, {}, partial(aligned, "coral")),
    "SA": (0.91, 0, {}, partial(aligned, "subspace")),
    "TCA": (0.93, 0, COMPONENT, partial(aligned, "tca", components=1)),
    "FA": (0.92, 10, {}, partial(aligned, "feature_augmentation", labels=10)),
    "TrAdaBoost": (0.66, 10, BOOST, partial(boosted, tradaboost)),
    "TrAdaBoostR2": (0.700, 10, BOOST, partial(boosted, tradaboost_r2)),
    "TwoStageTrAdaBoostR2": (0.600, 10, BOOST, partial(boosted, partial(two_stage, stages=10))),
    "BalancedWeighting": (0.93, 3, {"gamma": 0.5}, partial(descended, {"name": "joint", "weight": 1.0}, labels=3)),
    "RegularTransferLC": (0.92, 3, {"lambda_": 10.0}, partial(descended, "l2_sp", labels=3)),
    "RegularTransferLR": (0.645, 3, {"lambda_": 1.0}, partial(descended, "l2_sp", labels=3)),
}
DEEP: dict[str, tuple[float, int, dict[str, Any], Score]] = {
    "DANN": (0.81, 0, {"lambda_": 0.1}, partial(adapted, "dann")),
    "CDAN": (0.84, 0, {"lambda_": 0.1}, partial(adapted, "cdan")),
    "ADDA": (0.93, 0, {}, partial(adapted, "adda", before=STEPS)),
    "MCD": (0.62, 0, {"pretrain": True, "n_steps": 1}, partial(adapted, "mcd", before=STEPS)),
    "MDD": (0.78, 0, {"lambda_": 0.1, "gamma": 4.0}, partial(adapted, "mdd")),
    "WDGRL": (0.75, 0, {"lambda_": 1.0, "gamma": 1.0}, partial(adapted, "wdgrl")),
    "DeepCORAL": (0.68, 0, {"lambda_": 1.0}, partial(adapted, "deep_coral")),
    "FineTuning": (0.344, 3, {}, partial(descended, "fine_tune", labels=3)),
}


def documented(name: str, pair: Pair, labels: int, options: dict[str, Any]) -> float:
    """Adapt's side of a closed form, as documented."""
    few = {"Xt": pair.target[:labels], "yt": pair.truth[:labels]} if labels else {"Xt": pair.target}
    numbers = pair.labels.dtype.kind == "f"
    if name.startswith("Regular"):
        source = (Ridge() if numbers else RidgeClassifier()).fit(pair.source, pair.labels)
        model = getattr(import_module("adapt.parameter_based"), name)(source, **options).fit(few["Xt"], few["yt"])
        return float(model.score(pair.target, pair.truth))
    module = import_module("adapt.instance_based")
    module = module if hasattr(module, name) else import_module("adapt.feature_based")
    ridge = Ridge() if numbers else RidgeClassifier(0.0 if name in ("ULSIF", "RULSIF", "IWC") else 1.0)
    options = {**options, "classifier": RidgeClassifier(0.0)} if name == "IWC" else options
    model = getattr(module, name)(ridge, verbose=0, random_state=0, **few, **options).fit(pair.source, pair.labels)
    return float(model.score(pair.target, pair.truth))


def pair(name: str, seed: int) -> Pair:
    """The documented draw first, then others."""
    utils = import_module("adapt.utils")
    if name in NUMBERS:
        return Pair(name, *utils.make_regression_da(random_state=seed))
    found = utils.make_classification_da(random_state=2 if seed == 0 else 100 + seed)
    return Pair(name, found[0], found[1].astype(int), found[2], found[3].astype(int))


def elsewhere(python: str, names: list[str], pairs: dict[str, list[Pair]]) -> dict[str, list[float]]:
    """Adapt's side of what descends, by another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        arrays = {
            f"{name}/{i}/{part}": getattr(pair, part)
            for name in names
            for i, pair in enumerate(pairs[name])
            for part in ("source", "labels", "target", "truth")
        }
        np.savez(f"{folder}/arrays.npz", **arrays)
        plan = {name: {"options": DEEP[name][2], "labels": DEEP[name][1], "draws": len(pairs[name])} for name in names}
        Path(folder, "plan.json").write_text(json.dumps(plan))
        script = Path(__file__).with_name("_adapt_deep.py")
        done = subprocess.run([python, script, folder], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


NUMBERS = ("TrAdaBoostR2", "TwoStageTrAdaBoostR2", "RegularTransferLR", "FineTuning")


def row(name: str, printed: float, theirs: list[float], ours: list[float]) -> tuple[str, ...]:
    """A line of the table: the documented draw, then the mean over all draws and the difference with its error."""
    if not theirs:
        return name, f"{printed:.3f}", "-", f"{ours[0]:.3f}", "-", f"{np.mean(ours):.3f}", "-"
    gap = np.subtract(ours, theirs)
    error = gap.std(ddof=1) / len(gap) ** 0.5 if len(gap) > 1 else float("nan")
    means = f"{np.mean(theirs):.3f}", f"{np.mean(ours):.3f}", f"{gap.mean():+.3f} ± {error:.3f}"
    return name, f"{printed:.3f}", f"{theirs[0]:.3f}", f"{ours[0]:.3f}", *means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tensorflow", default="", metavar="PYTHON", help="an interpreter that has adapt and tensorflow"
    )
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--only", nargs="*", default=[], choices=[*CLOSED, *DEEP])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    allocator.keep_freed()
    warnings.simplefilter("ignore")
    if not _without_tensorflow.load():
        parser.error("adapt is not installed beside Regraft: pip install --no-deps adapt cvxopt")
    names = options.only or [*CLOSED, *DEEP]
    pairs = {name: [pair(name, seed) for seed in range(options.draws)] for name in names}
    deep = [name for name in names if name in DEEP]
    theirs = elsewhere(options.tensorflow, deep, pairs) if options.tensorflow and deep else {}
    rows = []
    for name in names:
        printed, labels, settings, side = (CLOSED | DEEP)[name]
        if name in CLOSED:
            theirs[name] = [documented(name, each, labels, settings) for each in pairs[name]]
        ours = [side(each) for each in pairs[name]]
        rows.append(row(name, printed, theirs.get(name, []), ours))
        print(*rows[-1], flush=True)
    head = ("example", "printed", "adapt, this draw", "ours, this draw", "adapt, mean", "ours, mean", "ours - adapt")
    print(f"\n{machine()}\n\n{table(head, rows)}")
    write(options.out, {"draws": options.draws, "rows": rows})


if __name__ == "__main__":
    main()
