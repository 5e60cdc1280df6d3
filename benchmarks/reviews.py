"""Sentiment of reviews without labels of the target: every method that needs none, between source and ceiling.

    python benchmarks/reviews.py FILE FILE FILE [--encoder hf:FOLDER] [--methods coral dann ...] [--out FILE]

Each FILE is a domain, a sentence, a tab and 0 or 1 a line; all ordered pairs are measured. All source sentences have
labels, no target sentence has one, and all of them are judged on. Features are counts of words and of pairs of words,
or, with ``--encoder``, those of that network of text as it is. Methods that do not descend start from these features
with logistic regression on the source; those that do start from a small network over them, trained on the source.
``target only`` learns from the target's own labels, in five folds: what the source is to come near to. ``--out`` gets a
line of JSON for each training, and what it has already is not done again.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import existing, machine, method
from alignments import Pair, prepared
from sklearn.feature_extraction.text import CountVectorizer
from torch import nn

from regraft.backbones._base import Network
from regraft.backbones.small import Small
from regraft.candidates import AtHand, refuse
from regraft.core import allocator, catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError, UserError
from regraft.core.labels import Labels
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.decoding import decoded
from regraft.data.examples import Examples
from regraft.data.members import Member
from regraft.evaluation import predict
from regraft.features import forward
from regraft.methods.baseline.scratch import Scratch
from regraft.methods.feature._aligned import AlignedFeatures
from regraft.model import Model, Problem
from regraft.optimisation import Descent
from regraft.preprocessing.vectors import Vectors, measured
from regraft.runtime import Runtime
from regraft.sources import backbone_for
from regraft.tasks._choice import task_for
from regraft.training import Engine, run

CLASSES = ("negative", "positive")
FOLDS = 5
STARTS = ("features", "network")
"""What methods start from: the features themselves, or a network that was trained over them."""


def sentences(files: Sequence[Path]) -> dict[str, tuple[list[str], np.ndarray]]:
    """The sentences of each file and their labels (N,), by the first word of its name."""
    held = {}
    for file in files:
        if not file.is_file():
            raise SystemExit(f"{file} is no file of sentences, each with a tab and 0 or 1")
        lines = [line.rsplit("\t", 1) for line in file.read_text(encoding="utf-8").split("\n") if "\t" in line]
        held[file.stem.split("_")[0]] = ([text for text, _ in lines], np.array([int(label) for _, label in lines]))
    return held


def counted(files: Sequence[Path]) -> Iterator[Pair]:
    """The pairs as counts of the words and pairs of words that three sentences of both have, labels left out.

    Logarithms of one plus the counts, then rows of length one.
    """
    held = sentences(files)
    for a, b in permutations(held, 2):
        count = CountVectorizer(min_df=3, ngram_range=(1, 2)).fit([*held[a][0], *held[b][0]])
        x, z = (prepared(np.log1p(count.transform(held[k][0]).toarray().astype(float)), "length") for k in (a, b))
        yield Pair(f"{a}>{b}", x, held[a][1], z, held[b][1])


def encoded(files: Sequence[Path], encoder: str, runtime: Runtime) -> Iterator[Pair]:
    """The pairs as features (N, D) of a network of text, as it is."""
    held = {}
    for name, (texts, labels) in sentences(files).items():
        names = tuple(f"{name}/{place}" for place in range(len(texts)))
        examples = Examples(names, tuple(texts), tuple(texts), labels, CLASSES, kind="text")
        backbone = backbone_for(encoder, examples)
        dataset = whole(examples, decoded(examples, backbone.preprocess, None))
        held[name] = forward(backbone.build(), dataset, backbone.preprocess, runtime).astype(float), labels
    for a, b in permutations(held, 2):
        yield Pair(f"{a}>{b}", *held[a], *held[b])


class Way:
    """One pair as problems: the data of both domains, and what was learned on the source."""

    def __init__(self, pair: Pair, start: str, seed: int, runtime: Runtime) -> None:
        self.engine, self.start, self.seed = Engine(runtime), start, seed
        items = [_members(name, x) for name, x in (("source", pair.source), ("target", pair.target))]
        plain = Vectors(centre=(0.0,) * pair.source.shape[1], spread=(1.0,) * pair.source.shape[1])
        self.backbone = Small(arch="mlp", table=plain if start == "features" else measured([*items[0], *items[1]]))
        labels = (pair.labels, pair.truth)
        self.source, self.target = (self._dataset(i, y) for i, y in zip(items, labels, strict=True))
        self.problem = self._problem(Domain("source", self.source))
        model = self.learned(self.source)
        unlabeled = self.target.unlabelled()
        self.problem = replace(
            self._problem(Domain("target", unlabeled, unlabeled)),
            source=Domain("source", self.source),
            source_model=model,
        )

    def _dataset(self, items: tuple[Member, ...], labels: np.ndarray) -> Dataset:
        names = tuple(str(item) for item in items)
        examples = Examples(names, tuple(i.digest for i in items), items, labels, CLASSES, kind="vector")
        return whole(examples, self.backbone.preprocess.decode(items))

    def _problem(self, target: Domain) -> Problem:
        return Problem(task_for(target.train.examples), target, self.backbone, self.seed)

    def learned(self, data: Dataset) -> Model:
        """What ``data`` and its labels teach: logistic regression on the features, or the small network."""
        problem = self._problem(Domain("learned", data))
        width = len(self.backbone.table.centre)
        torch.manual_seed(derive(self.seed, "network"))
        network = Network([nn.Identity()], width) if self.start == "features" else self.backbone.build()
        method = Scratch(descent=Descent(steps=200, batch_size=64, rate=3e-3, average=0.99))  # as `regraft train`
        how = entry("methods", "logistic") if self.start == "features" else method
        return run(Model(network, nn.Identity(), ()), how.phases(problem), problem, self.engine)

    def right(self, model: Model, data: Dataset) -> float:
        """Share of the labels of ``data`` that a model says."""
        said = predict(model, data, self.backbone.preprocess, self.problem.task, self.engine.runtime)
        return float((said.argmax(1) == data.labels).mean())

    def accuracy(self, name: str, steps: int) -> float:
        """What a method makes of the target, in percent; its labels are read here and nowhere else."""
        if name == "target only":
            fold = np.arange(len(self.target)) % FOLDS
            parts = [[self.target.take(np.flatnonzero(side)) for side in (fold != k, fold == k)] for k in range(FOLDS)]
            return 100 * float(np.mean([self.right(self.learned(learn), judge) for learn, judge in parts]))
        start = self.problem.source_model
        assert start is not None
        phases = entry("methods", name).with_steps(steps).phases(self.problem)
        return 100 * self.right(run(start, phases, self.problem, self.engine), self.target)


def _members(name: str, x: np.ndarray) -> tuple[Member, ...]:
    return tuple(Member(Path(name), place, row) for place, row in enumerate(x.astype(np.float32), 1))


def fits(name: str) -> bool:
    """Whether a method can do without labels of the target, on vectors."""
    try:
        refuse([name], AtHand(True, True, blind=True), Labels.CLASSES)
    except UserError:
        return False
    return "vector" in catalog.find("methods", name).kinds


def rows(wanted: Sequence[str]) -> list[tuple[str, str, str]]:
    """Family, name and start of each line of the table."""
    found = [("baseline", name, start) for start in STARTS for name in ("source_only", "target only")]
    for name in filter(fits, wanted or catalog.names("methods")):
        kind = catalog.find("methods", name)
        closed, family = issubclass(kind, AlignedFeatures), kind.__module__.split(".")[-2]
        found.append(("alignment" if closed else family, name, STARTS[kind().descends]))
    order = ("baseline", "instance", "alignment", "feature")
    return sorted(found, key=lambda row: (order.index(row[0]) if row[0] in order else len(order), row))


def keys(pair: str, name: str, start: str, options: argparse.Namespace) -> list[str]:
    """What the trainings of a method on a pair are called, one for each seed."""
    under = f"{pair}/{options.encoder or 'counts'}/{start}/{name}/{options.steps}"
    return [f"{under}/{seed}" for seed in range(options.seeds if start == "network" else 1)]


def tried(way: Way, name: str, steps: int) -> dict[str, Any]:
    """What a method reaches, or why it cannot, and its seconds of the processor."""
    begun = time.process_time()
    try:
        found: Any = way.accuracy(name, steps)
    except CandidateError as error:
        found = str(error)
    return {"accuracy": found, "seconds": time.process_time() - begun}


def measure(pairs: Sequence[Pair], options: argparse.Namespace, done: dict[str, Any]) -> None:
    """Fill ``done`` with what is not there yet, a line of the file each."""
    runtime = Runtime(threads=options.threads)
    for pair, start in product(pairs, STARTS):
        names = [name for _, name, s in rows(options.methods) if s == start]
        for seed, wanted in enumerate(zip(*(keys(pair.name, name, start, options) for name in names), strict=True)):
            left = {key: name for key, name in zip(wanted, names, strict=True) if key not in done}
            way = Way(pair, start, seed, runtime) if left else None
            for key, name in left.items():
                assert way is not None
                done[key] = {"key": key, **tried(way, name, options.steps)}
                print(*done[key].values(), flush=True)
                if options.out:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(done[key]) + "\n")


def shown(pairs: Sequence[str], options: argparse.Namespace, done: dict[str, Any]) -> str:
    """The table as Markdown: means over the seeds, and the lowest and highest mean over all pairs of a seed."""
    head = ("family", "method", "on", *pairs, "mean", "by seeds", "s")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for family, name, start in rows(options.methods):
        found = [[done[key] for key in keys(pair, name, start, options)] for pair in pairs]
        reasons = [f["accuracy"] for each in found for f in each if isinstance(f["accuracy"], str)]
        if reasons:
            lines.append(f"| {family} | {name} | {start} | {reasons[0]} |")
            continue
        right = np.array([[f["accuracy"] for f in each] for each in found])
        every, seconds = right.mean(0), np.mean([f["seconds"] for each in found for f in each])
        spread = f"{every.min():.1f} to {every.max():.1f}" if len(every) > 1 else ""
        cells = [*(f"{value:.1f}" for value in right.mean(1)), f"{every.mean():.1f}", spread, f"{seconds:.1f}"]
        lines.append(f"| {family} | {name} | {start} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=existing, nargs="+")
    parser.add_argument("--encoder", default="", help="a network of text, such as hf:FOLDER")
    parser.add_argument("--methods", type=method, nargs="*", default=[])
    for name, value in (("--steps", 200), ("--seeds", 3), ("--threads", 1)):
        parser.add_argument(name, type=int, default=value)
    parser.add_argument("--pairs", nargs="*", default=[], help="only these, such as imdb>yelp")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    allocator.keep_freed()
    runtime = Runtime(threads=options.threads)
    found = encoded(options.files, options.encoder, runtime) if options.encoder else counted(options.files)
    names = [f"{a}>{b}" for a, b in permutations(sentences(options.files), 2)]
    if len(options.files) < 2 or (unknown := set(options.pairs) - set(names)):
        parser.error(f"no pair is called {min(unknown)}" if len(options.files) > 1 else "give two files or more")
    pairs = [pair for pair in found if not options.pairs or pair.name in options.pairs]
    text = options.out.read_text(encoding="utf-8") if options.out and options.out.exists() else ""
    done = {line["key"]: line for line in map(json.loads, text.splitlines())}
    measure(pairs, options, done)
    print(machine(), f"\n{options.steps} steps, {options.seeds} seeds\n")
    print(shown([pair.name for pair in pairs], options, done))


if __name__ == "__main__":
    main()
