"""Domain adaptation without any label of the target: digits of MNIST and USPS, both ways.

    python benchmarks/adaptation.py FILE [--methods dann cdan ...] [--steps 1000] [--seeds 0 1 2] [--kept FOLDER]

FILE is ``MNIST_vs_USPS.mat`` of the small protocol: 2,000 digits of MNIST and 1,800 of USPS, 16 x 16 pixels, all of
the source labelled, all of the target unlabelled for training and judged afterwards. A small network is trained on the
source from nothing; then every method starts from it. ``mcc+shot`` is one method after another. Labels of the target
are read in one place, `accuracy`, after everything is trained. The last rows are what is taken without labels among all
methods named: by the nuclear norm (as `regraft run --shots 0` takes), by information maximisation, and by agreement
with the mean of all predictions (EnsV, Hu et al., NeurIPS 2024). FOLDER keeps predictions; what is there is not trained
again, whatever the options, so that one folder is for one set of options.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import chain, existing, machine, matlab, table, write
from torch import nn

from regraft.augment import Augment
from regraft.backbones.small import Small
from regraft.core import allocator, catalog
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.examples import Examples
from regraft.evaluation import predict
from regraft.model import Model, Problem
from regraft.runtime import Runtime
from regraft.selectors._base import Seen
from regraft.tasks.classification import Classification
from regraft.training import Engine, run

METHODS = ("source_only", "deep_coral", "dan", "dann", "cdan", "adda", "mcd", "mcc", "bnm", "shot", "mcc+shot")
RULES = ("nuclear_norm", "information_maximisation", "agreement")
OWN = {"adda": {"factor": 0.02}}  # what the nuclear norm took of 0.02, 0.1 and 0.3, USPS to MNIST, seed 0
DIGITS = tuple("1234567890")
VARIED = Augment(shift=0.1, rotate=15.0, zoom=0.3, shear=0.25, colour=0.4)
SIDE = 16
WAYS = ("MNIST to USPS", "USPS to MNIST")


def domains(path: Path) -> dict[str, Dataset]:
    """Both domains with their labels, pixels of 0 to 255."""
    found, file = {}, matlab(path, "Xs", "Ys", "Xt", "Yt")
    for name, letter in (("MNIST", "s"), ("USPS", "t")):
        x, y = file[f"X{letter}"], file[f"Y{letter}"].astype(np.int64).ravel() - 1
        x = x if len(x) == len(y) else x.T
        if y.max() >= len(DIGITS) or x.shape[1] != SIDE**2:
            raise SystemExit(f"{path} holds no digits of {SIDE} x {SIDE} pixels")
        ids = tuple(f"{name}/{i}" for i in range(len(y)))
        pixels = (255 * x.reshape(-1, SIDE, SIDE, 1)).round().astype(np.uint8)
        found[name] = whole(Examples(ids, ids, tuple(map(Path, ids)), y, DIGITS), pixels)
    return found


class Bench:
    """One direction with one seed: the trained source, and what a method may see."""

    def __init__(self, source: Dataset, target: Dataset, seed: int, options: argparse.Namespace) -> None:
        self.options, self.unlabeled = options, target.unlabelled()
        self.engine = Engine(Runtime(threads=options.threads))
        backbone = Small(arch="conv", size=SIDE, channels=1)
        torch.manual_seed(derive(seed, "network"))
        network = backbone.build()
        blank = Model(network, nn.Linear(network.feature_dim, len(DIGITS)), DIGITS)
        self.problem = Problem(Classification(classes=DIGITS), Domain("source", source), backbone, seed)
        learned = self.descend("scratch", blank, options.source_steps)
        learned.task = self.problem.task
        target_domain = Domain("target", self.unlabeled, self.unlabeled)
        self.problem = replace(self.problem, target=target_domain, source=Domain("source", source))
        self.models, self.seconds = {"": learned}, {"": 0.0}

    def descend(self, name: str, start: Model, steps: int) -> Model:
        """A method from a model, with the benchmark's batches and variations."""
        method: Any = catalog.find("methods", name)(**OWN.get(name, {}))
        if method.descends:
            batch, rate = self.options.batch, self.options.rate
            method = replace(method, descent=replace(method.descent, augment=VARIED, batch_size=batch, rate=rate))
        return run(start, method.with_steps(steps).phases(self.problem), self.problem, self.engine)

    def adapted(self, names: str) -> tuple[np.ndarray, float]:
        """Probabilities (N, 10) of the target after the methods in ``names``, and seconds."""
        model = self._model(names)
        preprocess = self.problem.backbone.preprocess
        said = predict(model, self.unlabeled, preprocess, self.problem.task, self.engine.runtime)
        return said, self.seconds[names]

    def _model(self, names: str) -> Model:
        if names not in self.models:
            before, _, name = names.rpartition("+")
            start = self._model(before)
            self.problem = replace(self.problem, source_model=start)
            begun = time.perf_counter()
            self.models[names] = self.descend(name, start, self.options.steps)
            self.seconds[names] = self.seconds[before] + time.perf_counter() - begun
        return self.models[names]


def accuracy(said: np.ndarray, target: Dataset) -> float:
    """Share of the target that is right."""
    return float((said.argmax(1) == target.labels).mean())


def selected(said: dict[str, np.ndarray], rule: str) -> str:
    """The method that a rule takes; no label is read."""
    together = np.mean(list(said.values()), axis=0).argmax(1)

    def score(name: str) -> float:
        if rule == "agreement":
            return float((said[name].argmax(1) == together).mean())
        return float(catalog.find("selectors", rule)().score(Seen(said[name], said[name])))

    return max(said, key=score)


def tried(both: dict[str, Dataset], way: str, seed: int, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Each method, one way with one seed, then what each rule takes."""
    bench: Bench | None = None
    (source, target), said, found = way.split(" to "), {}, {}
    for name in options.methods:
        file = options.kept and options.kept / f"{seed} {way} {name} {options.source_steps} {options.steps}.npz"
        if file and file.exists():
            stored = np.load(file)
            said[name], seconds = stored["said"], float(stored["seconds"])
        else:
            bench = bench or Bench(both[source], both[target], seed, options)
            said[name], seconds = bench.adapted(name)
            if file:
                np.savez(file, said=said[name], seconds=seconds)
        found[name] = {"accuracy": accuracy(said[name], both[target]), "seconds": seconds}
        print(f"seed {seed}, {way}: {name}: {found[name]['accuracy']:.4f}, {seconds:.0f} s", flush=True)
    for rule in RULES:
        found[rule] = found[chosen := selected(said, rule)] | {"taken": chosen}
        print(f"seed {seed}, {way}: {rule} takes {chosen}: {found[rule]['accuracy']:.4f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Domain adaptation on digits, both ways.")
    parser.add_argument("file", type=existing)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), type=chain)
    parser.add_argument("--steps", type=int, default=1000, help="of each method")
    parser.add_argument("--source-steps", type=int, default=600, help="on the source, from nothing")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kept", type=Path, help="a folder of predictions, to go on from")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    allocator.keep_freed()
    if options.kept:
        options.kept.mkdir(parents=True, exist_ok=True)
    both = domains(options.file)
    found = {s: {way: tried(both, way, s, options) for way in options.ways} for s in options.seeds}
    print(machine(), f"\n{options.steps} steps of {options.batch}, {options.threads} threads\n")
    print(table(("method", *options.ways, "median s"), [row(name, found) for name in (*options.methods, *RULES)]))
    write(options.out, {"found": found})


def row(name: str, found: dict[int, dict[str, dict[str, Any]]]) -> tuple[str, ...]:
    """One line of the table: mean accuracy over seeds, each way, and what it is of."""
    ways = zip(*([tries[name] for tries in by_way.values()] for by_way in found.values()), strict=True)
    cells = []
    for tries in ways:
        rights = [t["accuracy"] for t in tries]
        cells.append(f"{np.mean(rights):.3f} ({' '.join(f'{right:.3f}' for right in rights)})")
    every = [tries[name]["seconds"] for by_way in found.values() for tries in by_way.values()]
    return (name, *cells, f"{np.median(every):.0f}")


if __name__ == "__main__":
    main()
