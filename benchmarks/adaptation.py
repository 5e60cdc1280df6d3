"""Domain adaptation without any label of the target: digits of MNIST and USPS, both ways.

    python benchmarks/adaptation.py FILE [--methods dann cdan ...] [--steps 2000] [--seeds 0 1 2] [--out FILE]

FILE is ``MNIST_vs_USPS.mat`` of the small protocol: 2,000 digits of MNIST and 1,800 of USPS, 16 x 16 pixels, all of
the source labelled, all of the target unlabelled for training and judged afterwards. A small network is trained on the
source from nothing; then every method starts from it. ``dann+shot`` is one method after another. Labels of the target
are read in one place, `accuracy`, after everything is trained; the line ``selected`` is the method whose predictions
agree best with the mean of all (EnsV, Hu et al., NeurIPS 2024; `regraft run --shots 0` selects by `nuclear_norm`).
"""

import argparse
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from _measuring import machine, table, write
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
from regraft.tasks.classification import Classification
from regraft.training import Engine, run

METHODS = (
    "source_only", "adabn", "deep_coral", "dan", "jan", "dsan", "dann", "cdan", "adda", "mcd", "mdd", "wdgrl", "afn",
    "bsp", "mcc", "bnm", "deep_jdot", "shot", "dann+shot", "cdan+shot", "mcc+shot",
)  # fmt: skip
DIGITS = tuple("1234567890")
VARIED = Augment(shift=0.1, rotate=15.0, zoom=0.3, shear=0.25, colour=0.4)
SIDE = 16
WAYS = ("MNIST to USPS", "USPS to MNIST")


def domains(path: Path) -> dict[str, Dataset]:
    """Both domains with their labels, pixels of 0 to 255."""
    found = {}
    with h5py.File(path) as file:
        for name, letter in (("MNIST", "s"), ("USPS", "t")):
            x, y = np.array(file[f"X{letter}"]), np.array(file[f"Y{letter}"]).astype(np.int64).ravel() - 1
            x = x if len(x) == len(y) else x.T
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
        self.source = self.descend("scratch", blank, options.source_steps)
        self.source.task = self.problem.task
        target_domain = Domain("target", self.unlabeled, self.unlabeled)
        self.problem = replace(self.problem, target=target_domain, source=Domain("source", source))

    def descend(self, name: str, start: Model, steps: int) -> Model:
        """A method from a model, with the benchmark's batches and variations."""
        method: Any = catalog.find("methods", name)()
        if method.descends:
            batch, rate = self.options.batch, self.options.rate
            method = replace(method, descent=replace(method.descent, augment=VARIED, batch_size=batch, rate=rate))
        return run(start, method.with_steps(steps).phases(self.problem), self.problem, self.engine)

    def adapted(self, names: str) -> tuple[np.ndarray, float]:
        """Probabilities (N, 10) of the target after the methods in ``names``, and seconds."""
        model, begun = self.source, time.perf_counter()
        for name in names.split("+"):
            self.problem = replace(self.problem, source_model=model)
            model = self.descend(name, model, self.options.steps)
        seconds = time.perf_counter() - begun
        preprocess = self.problem.backbone.preprocess
        return predict(model, self.unlabeled, preprocess, self.problem.task, self.engine.runtime), seconds


def accuracy(said: np.ndarray, target: Dataset) -> float:
    """Share of the target that is right."""
    return float((said.argmax(1) == target.labels).mean())


def selected(said: dict[str, np.ndarray]) -> str:
    """The method that agrees best with the mean of all; no label is read."""
    together = np.mean(list(said.values()), axis=0).argmax(1)
    return max(said, key=lambda name: float((said[name].argmax(1) == together).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Domain adaptation on digits, both ways.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--steps", type=int, default=2000, help="of each method")
    parser.add_argument("--source-steps", type=int, default=2000, help="on the source, from nothing")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    allocator.keep_freed()
    both, found = domains(options.file), defaultdict(lambda: defaultdict(list))
    for seed in options.seeds:
        for way in options.ways:
            (source, target), said = way.split(" to "), {}
            begun = time.perf_counter()
            bench = Bench(both[source], both[target], seed, options)
            print(f"seed {seed}, {way}: source trained in {time.perf_counter() - begun:.0f} s", flush=True)
            for name in options.methods:
                said[name], seconds = bench.adapted(name)
                right = accuracy(said[name], both[target])
                found[name][way].append({"accuracy": right, "seconds": seconds})
                print(f"seed {seed}, {way}: {name}: {right:.4f}, {seconds:.0f} s", flush=True)
            chosen = selected(said)
            right = accuracy(said[chosen], both[target])
            found["selected"][way].append({"accuracy": right, "seconds": 0.0, "method": chosen})
            print(f"seed {seed}, {way}: selected {chosen}: {right:.4f}", flush=True)
    rows = []
    for name, ways in found.items():
        cells = [f"{np.mean([t['accuracy'] for t in tries]):.3f}" for tries in ways.values()]
        every = [t["seconds"] for tries in ways.values() for t in tries]
        rows.append((name, *cells, f"{np.median(every):.0f}"))
    print(
        machine(),
        f"\n{options.steps} steps of {options.batch}, {options.threads} threads, {len(options.seeds)} seeds\n",
    )
    print(table(("method", *options.ways, "median s"), rows))
    write(options.out, {"found": found})


if __name__ == "__main__":
    main()
