"""Digits that the source has never seen: printed 0 to 6, to handwritten 0 to 9 of which 7, 8 and 9 are one class.

    python benchmarks/open_set.py [--seeds 0 1 2] [--steps 200] [--methods osbp ...]

A small network learns the printed digits 0 to 6. Each method adapts it to 1,258 handwritten digits, whose labels are
withheld; the other 539 judge. Printed is, for each, the mean accuracy over the known classes (OS*), that on what is
unknown (UNK), the same over all classes (OS), and the harmonic mean of the first two (H-score; Fu et al., Learning to
detect open classes for universal domain adaptation, ECCV 2020). ``below``: the source as it is, which says unknown
where no class has that probability.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from _measuring import method
from torch import nn

from regraft import training
from regraft.core.config import entry
from regraft.core.seeding import derive
from regraft.data import embedded
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.decoding import decoded
from regraft.data.examples import Examples
from regraft.data.splits import holdout_split
from regraft.evaluation import predict
from regraft.methods.baseline.scratch import Scratch
from regraft.model import Model, Problem
from regraft.opening import backbone_for
from regraft.optimisation import Descent
from regraft.readers._base import read
from regraft.runs import cache_folder
from regraft.runtime import Runtime
from regraft.tasks._choice import task_for

KNOWN = 7
BELOW = (0.5, 0.7, 0.9)


def renamed(examples: Examples) -> Examples:
    """Digits from seven on under one name."""
    assert examples.labels is not None
    classes = (*examples.classes[:KNOWN], "unknown")
    return replace(examples, labels=np.minimum(examples.labels, KNOWN), classes=classes)


def prepare(seed: int) -> tuple[Problem, Dataset]:
    """What a method sees, and what judges it."""
    folders = embedded.write(cache_folder() / "embedded")
    printed, written = read(folders["printed_digits"]), renamed(read(folders["handwriting"]))
    assert printed.labels is not None
    printed = replace(printed.take(printed.labels < KNOWN), classes=printed.classes[:KNOWN])
    backbone = backbone_for("small", written)
    data = [whole(e, decoded(e, backbone.preprocess, cache_folder())) for e in (printed, written)]
    known, holdout = (data[1].take(rows) for rows in holdout_split(written, 0.3, seed))
    torch.manual_seed(derive(seed, "source"))
    start = Model(backbone.build(pretrained=False), nn.Identity(), ())
    method = Scratch(descent=Descent(steps=250, batch_size=64, rate=3e-3, average=0.99))
    source = Problem(task_for(printed), Domain("source", data[0]), backbone, seed)
    trained = training.run(start, method.phases(source), source, training.Engine(Runtime(threads=1)))
    target = Domain("target", known.unlabelled(), known.unlabelled())
    return Problem(task_for(known.unlabelled().examples), target, backbone, seed, trained, source.target), holdout


def judged(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """OS*, UNK, OS and H-score of answers (N,)."""
    each = np.array([(answers[targets == c] == c).mean() for c in range(KNOWN + 1)])
    ours, unknown = each[:KNOWN].mean(), each[KNOWN]
    return np.array([ours, unknown, each.mean(), 2 * ours * unknown / max(ours + unknown, 1e-12)])


def main(given: argparse.Namespace) -> None:
    """Run all seeds and print the table."""
    found: dict[str, list[np.ndarray]] = {}
    for seed in given.seeds:
        problem, holdout = prepare(seed)
        for name in ("source_only", *given.methods):
            method = entry("methods", name).with_steps(given.steps)
            engine = training.Engine(Runtime(threads=1))
            assert problem.source_model is not None
            model = training.run(problem.source_model, method.phases(problem), problem, engine)
            p = predict(model, holdout, problem.backbone.preprocess, problem.task, Runtime(threads=1))
            found.setdefault(name, []).append(judged(p.argmax(1), holdout.labels))
            for least in BELOW if name == "source_only" else ():
                refused = np.where(p.max(1) < least, KNOWN, p.argmax(1))
                found.setdefault(f"below {least}", []).append(judged(refused, holdout.labels))
            print(seed, name, np.round(found[name][-1], 3), flush=True)
    print("| method | OS* | UNK | OS | H-score (by seed) |\n| --- | --- | --- | --- | --- |")
    for name, rows in found.items():
        means = " | ".join(f"{value:.3f}" for value in np.mean(rows, 0))
        print(f"| `{name}` | {means} ({' '.join(f'{row[3]:.3f}' for row in rows)}) |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--methods", type=method, nargs="+", default=["osbp"])
    main(parser.parse_args())
