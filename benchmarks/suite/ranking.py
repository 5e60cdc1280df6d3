"""How well sources are ranked, over several draws of every task: the combined ranking beside each single score.

    OMP_NUM_THREADS=1 python benchmarks/suite/ranking.py DATA OUT [--tasks NAME ...] [--draws 0 1]

DATA and OUT as in `measure.py`, which measures the ranking of the first draw too, against every candidate in full; here
the truth of a source is the best score that any of `METHODS` reaches from it in full, over two seeds, on the final
examples. Scores are computed on at most `LABELS` labels, so that the slow ones end. Lines go to a results.jsonl for
each draw, one for each task, and what is there is not measured again. Printed are weighted Kendall taus, means over the
tasks and draws where a score can be had for all sources.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from build import lay_out
from measure import chosen, commit
from reopened import Reopened
from results import RESULTS, Results, read
from table import agreement, tau
from tasks import Task

from regraft.core import catalog
from regraft.core.errors import CandidateError
from regraft.ranking import beside, known_of, rank

METHODS = ("fine_tune", "joint", "probe_then_tune", "linear_probe", "logistic", "svm", "ridge")
LABELS = 300


def taus(task: Task, data: Path, out: Path) -> dict[str, Any]:
    """The tau of the combined ranking and of each score with the truth, and that."""
    asked = Reopened(task, lay_out(task, data, out), out / "runs" / task.name, 2)
    known = {}
    for source in asked.sources:
        train = asked.bench.dataset(asked.data.train, source.backbone.preprocess)
        kept = np.sort(np.random.default_rng(0).permutation(len(train))[:LABELS])
        known[asked.named(source.uri)] = known_of(source, train.take(kept), asked.bench)
    truth = dict.fromkeys(known, -np.inf)
    for uri, method in asked.candidates:
        if method in METHODS:
            try:
                found = asked.in_full((uri, method), task.steps, out / "utility" / task.name)
            except CandidateError as error:
                print(f"{task.name}: {method} from {asked.named(uri)}: {error}")
                continue
            truth[asked.named(uri)] = max(truth[asked.named(uri)], float(np.mean(found["final"])))
    rows, others = rank(known, task.seed), beside(known, task.seed)
    values = {name: {} for name in catalog.names("scores")}
    for row in rows:
        said = {name: score["value"] for name, score in row["scores"].items()} | others[row["source"]]
        for name, value in said.items():
            values[name][row["source"]] = value
    against = list(truth.values())
    found = {"combined": tau([-next(r["rank"] for r in rows if r["source"] == s) for s in truth], against)}
    found |= {name: tau([of[s] for s in truth], against) for name, of in values.items() if set(of) == set(truth)}
    return {"truth": truth, "tau": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    if not given.data.is_dir():
        parser.error(f"there is no folder {given.data}")
    conditions = {"commit": commit(), "when": time.strftime("%Y-%m-%d")}
    for draw in given.draws:
        out = given.out.resolve() / f"draw-{draw}"
        out.mkdir(parents=True, exist_ok=True)
        results = Results(out, conditions)
        for task in chosen(given.tasks):
            other = replace(task, seed=task.seed + 100 * draw)
            results.once(task.name, lambda task=other, out=out: taus(task, given.data.resolve(), out))
    found = [row["tau"] for draw in given.draws for row in read(given.out / f"draw-{draw}" / RESULTS) if "tau" in row]
    print(agreement(found))


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
