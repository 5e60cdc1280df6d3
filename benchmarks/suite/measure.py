"""Measure the tasks of the suite, one after another: what ``regraft run`` ships, the oracle, the ranking.

    OMP_NUM_THREADS=1 python benchmarks/suite/measure.py DATA OUT [--tasks NAME ...] [--parts run oracle rank export]

DATA is the folder of real data beside the project (its sets are named in `domains.py`), OUT where everything goes: the
files of each task, the runs, and results.jsonl, to which every finished piece adds a line. What is there is not
measured again, so a measurement that was interrupted goes on. `table.py` prints the tables, `peers.py` adds other
systems.

``run``: ``regraft run`` with its default methods, the steps fixed; then all models that it trained to be judged, those
from scratch too, on the final examples, which the run never saw. ``oracle``: every candidate that lines up, raced or
not, and every scratch baseline, trained in full on all labels over the same seeds as the finish, judged on the same.
``rank``: the ranking and every score. ``export``: what `peers.py` gives to other systems. Seconds are of the processor,
all threads.
"""

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import peft  # noqa: F401  loaded here, or the race would be charged for it: its first adapter loads it
from build import Laid, lay_out
from reopened import Reopened
from results import Results
from tasks import TASKS, Task

from regraft.commands import run as command
from regraft.core.config import build
from regraft.core.progress import Reporter
from regraft.racing import Race
from regraft.runs import result_of

PARTS = ("run", "oracle", "rank", "export")


def measure(task: Task, laid: Laid, given: argparse.Namespace, results: Results) -> None:
    """The parts of a task that were asked for."""
    folder = given.out / "runs" / task.name
    if "run" in given.parts:
        if f"{task.name} run" not in results.done:
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
        results.once(f"{task.name} run", lambda: shipped(task, laid, folder, given))
    if not (folder / "run.json").exists() or not {"oracle", "rank", "export"} & set(given.parts):
        return
    asked = Reopened(task, laid, folder, given.seeds)
    if "rank" in given.parts:
        results.once(f"{task.name} rank", lambda: asked.ranked(given.logme))
    if "export" in given.parts:
        finalist, place = first_source(result_of(folder)), given.out / "export" / f"{task.name}.pt"
        results.once(f"{task.name} export", lambda: asked.exported(finalist, place))
    if "oracle" in given.parts:
        for source, method in asked.candidates:
            work = _in_full(asked, (source, method), given.out / "utility" / task.name, given.steps or task.steps)
            results.once(f"{task.name} oracle {asked.named(source)} {method}", work)


def _in_full(asked: Reopened, candidate: tuple[str, str], folder: Path, steps: int) -> Callable[[], dict[str, Any]]:
    return lambda: asked.in_full(candidate, steps, folder)


def shipped(task: Task, laid: Laid, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """What the run says, and how its shipped model does on the final examples."""
    options = {
        "target": laid.train, "test": laid.holdout, "source": list(laid.sources), "steps": given.steps or task.steps,
        "seeds": given.seeds, "seed": task.seed, "budget": "none", "out": folder, "precision": "fp32", "device": "cpu",
        "task": "regression" if task.numeric else "classification",
    }  # fmt: skip
    with timed_race() as spent:
        begun = time.process_time()
        result = command.main(build(command.Run, options, "run"), Reporter())
        cpu = time.process_time() - begun
    keys = (
        "verdict", "shipped", "finalist", "scratch", "gain", "metrics", "baseline", "candidates", "ranking", "why",
        "ranking_agreement", "seconds", "plan",
    )  # fmt: skip
    told, asked = {key: result.get(key) for key in keys}, Reopened(task, laid, folder, given.seeds)
    place = given.out / "utility" / task.name
    place.mkdir(parents=True, exist_ok=True)
    for name, method in (("transfer", result["finalist"]["method"]), ("rival", "scratch")):
        np.savez(place / f"run {name}.npz", final=asked.of_run(method))
    return {**told, "race_cpu": sum(spent), "run_cpu": cpu}


def first_source(result: dict[str, Any]) -> str:
    """The source of the finalist; of several that answer together that of the first."""
    finalist = next(c for c in result["candidates"] if c["outcome"] == "finalist")
    return str((finalist["members"] or [finalist])[0]["source"])


class timed_race:  # noqa: N801
    """Within it, seconds of the processor that races took are added to the list that it gives."""

    def __enter__(self) -> list[float]:
        self.race, spent = Race.run, list[float]()

        def run(race: Race, *args: Any) -> Any:
            begun = time.process_time()
            try:
                return self.race(race, *args)
            finally:
                spent.append(time.process_time() - begun)

        Race.run = run  # type: ignore[method-assign]
        return spent

    def __exit__(self, *_: object) -> None:
        Race.run = self.race  # type: ignore[method-assign]


def chosen(names: list[str]) -> Iterator[Task]:
    """The tasks whose names, or beginnings of names, were given; all without any."""
    for task in TASKS:
        if not names or any(task.name == n or task.name.startswith(f"{n}-") for n in names):
            yield task


def commit() -> str:
    """The commit of this checkout, with a plus if its program was changed since."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", ":/src") else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--steps", type=int, help="of a full descent, instead of what each task says")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--draw", type=int, default=0, help="which draw of the examples; needs an OUT of its own")
    parser.add_argument("--logme", type=Path, help="LogME.py of the authors' published code")
    given = parser.parse_args()
    if not given.data.is_dir():
        parser.error(f"there is no folder {given.data}")
    given.data, given.out = given.data.resolve(), given.out.resolve()
    given.out.mkdir(parents=True, exist_ok=True)
    conditions = {"commit": commit(), "seeds": given.seeds, "draw": given.draw, "when": time.strftime("%Y-%m-%d")}
    results = Results(given.out, conditions)
    for task in chosen(given.tasks):
        other = replace(task, seed=task.seed + 100 * given.draw)  # as in `ranking.py`
        measure(other, lay_out(other, given.data, given.out), given, results)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
