"""Adaptation and choice without target labels: printed digits to handwritten ones.

    python benchmarks/label_free.py FILE [--seeds 0 1 2] [--steps 200] [--methods shot tent ...]

A small network learns printed digits. Each method adapts it to 1,258 handwritten digits, whose labels are withheld; the
other 539 judge. ``alone``: the print is withheld too. While a method trains, every selector scores the weights five
times; those that look at the source see a tenth of the print that was kept aside. FILE gets a line of JSON for each
run, and runs that it has already are not done again. Printed are two tables: what each method reaches, and what each
selector would have taken, of the five weights within a run and of the last weights of all runs of a seed. The oracle
takes the best by the labels of the 1,258. ``as is``: the source model, nothing adapted.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from _measuring import existing
from torch import nn

from regraft import training
from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.seeding import derive
from regraft.data import embedded
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.decoding import decoded
from regraft.data.splits import holdout_split
from regraft.methods.baseline.scratch import Scratch
from regraft.model import Model, Problem
from regraft.opening import backbone_for
from regraft.optimisation import Descent
from regraft.readers._base import read
from regraft.runs import cache_folder
from regraft.runtime import Runtime
from regraft.selectors._base import Seen, Selector, see
from regraft.selectors._oracle import beside
from regraft.tasks._choice import task_for

METHODS = ("as is", "adabn", "tent", "shot", "pseudo_label", "fix_match", "mean_teacher")
ALONE = tuple(f"{name} alone" for name in METHODS[4:])
TIMES = 5
RULES = {name: catalog.find("selectors", name)() for name in catalog.names("selectors")}
RULES = {name: rule for name, rule in RULES.items() if rule.withheld}


@dataclass(frozen=True)
class Bed:
    """Source model and data, the target without labels, the same with labels for the oracle, and what judges."""

    problem: Problem
    known: Dataset
    holdout: Dataset


@dataclass(frozen=True)
class Recorder(Selector):
    """Chooses nothing; notes what every selector would say each time it is asked, and the truth."""

    bed: Bed
    scores: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in RULES})
    truth: list[float] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)

    def __call__(self, model: Model, problem: Problem) -> float:
        """See `Selector.__call__`."""
        assert self.bed.problem.source is not None
        assert self.bed.problem.source.validation is not None
        target = see(model, self.bed.known, problem)
        source = see(model, self.bed.problem.source.validation, problem)
        for name, rule in RULES.items():
            self.scores[name].append(rule.score(replace(target, labels=None), source))
        self.truth.append(float(target.utility().mean()))
        self.judged.append(float(see(model, self.bed.holdout, problem).utility().mean()))
        return 0.0

    def measure(self, target: Seen, source: Seen | None) -> float:
        """See `Selector.measure`."""
        return 0.0

    def better(self, score: float, best: float) -> bool:
        """See `Selector.better`."""
        return True


def prepare(seed: int) -> Bed:
    """The source model of one seed; a tenth of the print is kept aside for selectors that look at the source."""
    folders = embedded.write(cache_folder() / "embedded")
    printed, written = (read(folders[name]) for name in ("printed_digits", "handwriting"))
    backbone = backbone_for("small", written)
    data = [whole(e, decoded(e, backbone.preprocess, cache_folder())) for e in (printed, written)]
    learned, aside = (data[0].take(rows) for rows in holdout_split(printed, 0.1, seed))
    known, holdout = (data[1].take(rows) for rows in holdout_split(written, 0.3, seed))
    task = task_for(printed)
    torch.manual_seed(derive(seed, "source"))
    start = Model(backbone.build(pretrained=False), nn.Identity(), ())
    method = Scratch(descent=Descent(steps=250, batch_size=64, rate=3e-3, average=0.99))
    source = Problem(task, Domain("source", learned), backbone, seed)
    trained = training.run(start, method.phases(source), source, training.Engine(Runtime(threads=1)))
    target = Domain("target", known.take([]), known.unlabelled())
    return Bed(Problem(task, target, backbone, seed, trained, Domain("source", learned, None, aside)), known, holdout)


def adapted(bed: Bed, label: str, steps: int) -> Recorder:
    """Train one method; what the selectors would have said."""
    recorder, problem = Recorder(bed), bed.problem
    assert problem.source_model is not None
    if label.endswith("alone"):
        problem = replace(problem, source=None)
    name = label.removesuffix(" alone")
    phases = () if name == "as is" else entry("methods", name).with_steps(steps).phases(problem)
    watched = [
        replace(p, select=recorder, descent=replace(p.descent, validate_every=max(1, steps // TIMES))) for p in phases
    ]
    model = training.run(problem.source_model, tuple(watched), problem, training.Engine(Runtime(threads=1)))
    if not phases or not phases[-1].terms:  # an edit came last, or nothing
        recorder(model, problem)
    return recorder


def tables(found: Sequence[Mapping[str, Any]]) -> str:
    """What was found, as Markdown."""
    lines = ["| method | accuracy on the holdout (by seed) |", "| --- | --- |"]
    labels = list(dict.fromkeys(run["method"] for run in found))
    for label in labels:
        lines.append(f"| {label} | {shown([run['judged'][-1] for run in found if run['method'] == label])} |")
    lines += [
        "",
        "| selector | labels that it reads | regret within a run | takes of all runs | regret | rank correlation |",
    ]
    lines.append("| --- " * 6 + "|")
    rows = [row(name, found) for name in RULES]
    lines += [text for _, text in sorted(rows)]
    return "\n".join(lines)


def row(name: str, found: Sequence[Mapping[str, Any]]) -> tuple[float, str]:
    """One selector: how much better the oracle is in all, and its line."""
    rule = RULES[name]
    within = [beside(rule, run["scores"][name], run["truth"]).regret for run in found if len(run["truth"]) > 1]
    across, taken = [], []
    for seed in sorted({run["seed"] for run in found}):
        runs = [run for run in found if run["seed"] == seed]
        across.append(beside(rule, [r["scores"][name][-1] for r in runs], [r["truth"][-1] for r in runs]))
        taken.append(runs[across[-1].chosen])
    regret = float(np.mean([a.regret for a in across]))
    correlation = "" if name == "last" else f"{np.mean([a.correlation for a in across]):.2f}"
    what = "" if name == "last" else ", ".join(f"{run['method']} {run['judged'][-1]:.3f}" for run in taken)
    outer = "" if name == "last" else f"{100 * regret:.1f}"
    text = f"| {name} | {rule.labels} | {100 * np.mean(within):.1f} | {what} | {outer} | {correlation} |"
    return (np.inf if name == "last" else regret), text


def shown(values: Sequence[float]) -> str:
    """Mean, and each."""
    return f"{np.mean(values):.3f} ({' '.join(f'{v:.3f}' for v in values)})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the file does not have yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=existing)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--methods", nargs="+", default=[*METHODS, *ALONE])
    options: Any = parser.parse_args(arguments)
    text = options.file.read_text(encoding="utf-8") if options.file.exists() else ""
    found = [json.loads(line) for line in text.splitlines()]
    done = {(run["seed"], run["method"]) for run in found}
    for seed in options.seeds:
        wanted = [label for label in options.methods if (seed, label) not in done]
        bed = prepare(seed) if wanted else None
        for label in wanted:
            assert bed is not None
            made = adapted(bed, label, options.steps)
            run = {"seed": seed, "method": label, "scores": made.scores, "truth": made.truth, "judged": made.judged}
            found.append(run)
            print(seed, label, shown(made.judged), flush=True)
            with options.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")
    print(tables(found))


if __name__ == "__main__":
    main()
