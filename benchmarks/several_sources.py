"""Several sources against each alone: each domain is the target once, the others are its sources.

    python benchmarks/several_sources.py FILE FILE ... [--sources FILE ...] [--seeds 0 1 2] [--shots 10] [--steps 60]

FILEs are tables with a column ``label`` (or ``--label``), one a domain; ``--sources``: those that are no target. Each
target needs three others, so four in all. A few
labels of the target are drawn and all of it is at hand without labels; the rest judges. ``alone``: the best and the
mean of the sources on their own, the best picked by the very labels that judge, so that no method could have known it.
``pooled``: ``data:A+data:B``. ``average``: ``average:data:A+data:B``. ``one start``: the
network of the first source, fine-tuned on each of the others, and the mean of these. Printed is the accuracy on the
holdout, a row for each way, means over seeds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _measuring import existing

from regraft import artifacts
from regraft.bench import Bench
from regraft.core.config import entry
from regraft.core.progress import Reporter
from regraft.evaluation import predict
from regraft.opening import Opening
from regraft.preparing import Prepared, Request, prepare
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime
from regraft.sources import open_source
from regraft.training import Engine, run

MODELS = ("logistic", "fine_tune")
EACH = (*MODELS, "coral")
APART = ("multi_source", "multi_source?alignment=tca")


Found = dict[str, float]


def measured(target: Path, others: Sequence[Path], given: argparse.Namespace, seed: int) -> Found:
    """Accuracy on the holdout of every way to use the sources."""
    alone = [f"data:{path}" for path in others]
    both, mean = "+".join(alone), f"average:{'+'.join(alone)}"
    asked = Request(target, None, target, given.shots, seed, given.label, sources=(*alone, both, mean))
    data = prepare(asked, Reporter())
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(threads=1), False, seed, None)
        each = [reached(uri, EACH, data, bench, given.steps) for uri in alone]
        tuned = tuned_on(alone, data, bench, given.steps)
        members = [reached(uri, MODELS, data, bench, given.steps) for uri in tuned]
        start, found = f"average:{'+'.join(tuned)}", Found()
        ways = (("pooled", both, EACH + APART), ("average", mean, EACH), ("one start, average", start, MODELS))
        for what, uri, methods in ways:
            rights = reached(uri, methods, data, bench, given.steps)
            found |= {f"{name} {what}": right for name, right in rights.items()}
    for what, rows in (("alone", each), ("one start", members)):
        for name in rows[0]:
            values = [row[name] for row in rows]
            found |= {f"{name} {what}, best": max(values), f"{name} {what}, mean": float(np.mean(values))}
    return found


def reached(uri: str, methods: Sequence[str], data: Prepared, bench: Bench, steps: int) -> Found:
    """Accuracy on the holdout by each of the methods from one source."""
    source = open_source(uri, data.train, Opening(read=data.given), bench)
    assert data.unlabeled is not None
    parts = (data.train, data.holdout, data.unlabeled)
    train, holdout, unlabeled = (bench.dataset(examples, source.backbone.preprocess) for examples in parts)
    problem, found = source.problem(train, unlabeled, bench.seed, None), {}
    for name in methods:
        method = entry("methods", name).with_steps(steps)
        model = run(source.model, method.phases(problem), problem, Engine(Runtime(threads=1)))
        p = predict(model, holdout, source.backbone.preprocess, problem.task, Runtime(threads=1))
        found[name] = float((p.argmax(1) == holdout.labels).mean())
    return found


def tuned_on(uris: Sequence[str], data: Prepared, bench: Bench, steps: int) -> list[str]:
    """Folders of the model of the first source, fine-tuned on each of the others: several with one start."""
    start, folders = open_source(uris[0], data.train, Opening(read=data.given), bench), []
    for number, uri in enumerate(uris[1:]):
        train = bench.dataset(data.given[uri], start.backbone.preprocess)
        problem = start.problem(train, None, bench.seed, None)
        method = entry("methods", "fine_tune").with_steps(4 * steps)
        model = run(start.model, method.phases(problem), problem, Engine(Runtime(threads=1)))
        folders.append(str(bench.journal.path(f"tuned-{number}")))
        artifacts.save(Path(folders[-1]), model, start.backbone, problem.task, {})
    return folders


def main(given: argparse.Namespace) -> None:
    """Run everything and print the table."""
    rows: dict[str, dict[str, float]] = {}
    for target in given.files:
        others = [file for file in (*given.files, *given.sources) if file != target]
        runs = [measured(target, others, given, seed) for seed in given.seeds]
        rows[target.stem] = {name: float(np.mean([one[name] for one in runs])) for name in sorted(runs[0])}
        print(target.stem, {name: round(value, 3) for name, value in rows[target.stem].items()}, flush=True)
    names = list(next(iter(rows.values())))
    print(f"| | {' | '.join(rows)} | mean |\n| {' | '.join(['---'] * (len(rows) + 2))} |")
    for name in names:
        values = [row[name] for row in rows.values()]
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} | {np.mean(values):.3f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=existing, nargs="+")
    parser.add_argument("--sources", type=existing, nargs="+", default=[])
    parser.add_argument("--label", default="label")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--steps", type=int, default=60)
    main(parser.parse_args())
