"""What shallow methods take for as many features as a large data set has: seconds and memory.

    python benchmarks/scale.py [--rows 100000] [--width 512] [--only NAME ...] [--limit SECONDS]

Half of the rows are the source's, half the target's: ten classes around drawn centres, the target's moved and half as
wide again. Every weighting, alignment, head and divergence of the catalogues with its defaults, and the graph of
`label_propagation` with a hundred labels, each in a process of its own, which is ended after ``--limit`` seconds.
``--out FILE`` writes the numbers as JSON.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import machine, write

from regraft.core import catalog
from regraft.core.config import entry
from regraft.edits._graph import neighbours, spread

CLASSES = 10


def drawn(rows: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source features, their classes, and target features."""
    rng = np.random.default_rng(0)
    half, centres = rows // 2, 0.3 * rng.normal(size=(CLASSES, width))
    labels = rng.integers(CLASSES, size=half)
    source = centres[labels] + rng.normal(size=(half, width))
    target = centres[rng.integers(CLASSES, size=half)] + 1.5 * rng.normal(size=(half, width)) + 0.1
    return source, labels, target


def works(rows: int, width: int) -> dict[str, Callable[[], Any]]:
    """Every shallow method, by its catalogue and name."""
    x, y, z = drawn(rows, width)
    found: dict[str, Callable[[], Any]] = {}
    for name in catalog.names("weightings"):
        found[f"weightings/{name}"] = lambda name=name: entry("weightings", name)(x, z, y)
    for name in catalog.names("alignments"):
        found[f"alignments/{name}"] = lambda name=name: entry("alignments", name).fit(x, y, z).source(x)
    for name in catalog.names("heads"):
        if hasattr(catalog.find("heads", name), "fit"):
            found[f"heads/{name}"] = lambda name=name: entry("heads", name).fit(x, y, CLASSES)
    for name in catalog.names("divergences"):
        found[f"divergences/{name}"] = lambda name=name: entry("divergences", name)(x, z)
    known = np.eye(CLASSES)[y[:100]]
    found["the graph of edits/propagate"] = lambda: spread(neighbours(np.concatenate([x, z]), 10, 3.0), known, 0.9)
    return found


def measured(work: Callable[[], Any], limit: float) -> dict[str, Any]:
    """Seconds of the wall clock and of the processor, and GiB at most, of ``work`` in a forked process."""
    ours, theirs = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_alone, args=(work, theirs))
    process.start()
    theirs.close()
    try:
        return dict(ours.recv()) if ours.poll(limit) else {"fails": f"more than {limit:g} s"}
    except EOFError:
        return {"fails": "it was ended, for its memory perhaps"}
    finally:
        process.kill()
        process.join()


def _alone(work: Callable[[], Any], answer: Any) -> None:
    torch.set_num_threads(1)
    before, begun, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
    try:
        work()
    except Exception as error:  # a method that cannot do it is a result
        answer.send({"fails": f"{type(error).__name__}: {error}"})
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer.send({"wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu, "gib": peak / 2**20,
                 "more": (peak - before) / 2**20})  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--width", type=int, default=512)
    asked.add_argument("--limit", type=float, default=600.0)
    asked.add_argument("--only", nargs="*", default=[])
    asked.add_argument("--out", type=Path)
    options = asked.parse_args()
    print(machine(), "\n\n| method | s | processor s | GiB in all |\n| --- | --- | --- | --- |")
    found = {}
    for name, work in works(options.rows, options.width).items():
        if not options.only or name in options.only:
            found[name] = of = measured(work, options.limit)
            cells = [of["fails"], "", ""] if "fails" in of else [f"{of[k]:.1f}" for k in ("wall", "cpu", "gib")]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
    write(options.out, found)


if __name__ == "__main__":
    main()
