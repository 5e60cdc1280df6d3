"""Regraft beside skada, adapt, POT and pytorch-adapt: the same arrays, one run, accuracy and time of every method.

    python benchmarks/peers.py [PAIR.mat ...] [--rows 10000] [--width 256] [--seeds 3] [--repeats 1] [--limit 30]

A row is a method that Regraft and one of these libraries have, a column a library; each cell has the accuracy on the
target (with the difference ours - theirs in points, mean and standard deviation over the draws of the data), seconds of
processor time (medians) and how many times ours these are. Data: drawn arrays, half of ``--rows`` source and half
target, new ones for each seed (none with ``--rows 0``); and each PAIR, a file as `alignments.py matrices` reads (rows
of length one), both ways, four of five examples of each domain for each seed.

Closed forms: timed are the fit and the mapping of both domains (or the weights), not the classifier behind it, which is
the same everywhere: features centred, in units of their mean deviation; LogisticRegression, judged on the target, with
weights of mean one, as they come or (``--flatten 0.1``, as Regraft's methods have it) drawn towards one on all sides.
Deep methods: the same perceptron from the same weights, trained on the source before, the same number of steps
(``--epochs`` over the larger domain), batches of 64 of each, AdamW at 1e-3, the same weights; see `_deep_peers.py`.

Options are the same where both have them: components, shrinkage, entropy, widths of kernels, centres, folds. They
differ where one side lacks them: CORAL comes twice, as adapt and as skada shrink; skada's components take the width
1 / features; the transfer components of the others know no centring, no rows of length one and no relative penalty
(their penalty is their default), and no landmarks. Ours alone takes landmarks for optimal transport (1,000 a domain,
5,000 target examples for a plain plan, 5,000 a domain by classes) and the Gaussian kernel (2,000), folds and
calibration for the classifier of domains, and principal components for densities. By classes ours goes on from round
to round (230 iterations in all, theirs 2,000), and skada's does not scale its costs.

Each side runs in a process of its own, forked from this one, with ``--limit`` seconds of processor time and
``--memory`` GiB; one that passes them or fails says so and is not tried again on that data. A library that is not
installed has a dash: install them beside Regraft (skada with torch, skorch and pandas; pytorch-adapt with torchmetrics;
adapt with tensorflow). Set OMP_NUM_THREADS=1 so that one thread is all that any of them takes.
"""

import argparse
import multiprocessing
import os
import resource
import signal
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import _closed_peers
import _without_tensorflow
import numpy as np
import torch
from _closed_peers import KEPT, Contest, Side, closed, drawn, lengths, part
from _deep_peers import Bench, deep
from _measuring import existing, machine, table, write
from alignments import Pair, matrices
from threadpoolctl import threadpool_limits

from regraft.core import allocator

LIBRARIES = ("skada", "adapt", "POT", "pytorch-adapt")
ENOUGH = 3
"""Draws from which on differences of accuracy are told from noise."""


@dataclass(frozen=True)
class Result:
    """Which of the target a side has right, and its seconds of processor time."""

    right: np.ndarray
    seconds: float


def isolated(work: Callable[[], Any], limit: float, memory: float) -> Any:
    """What ``work`` gives in a forked process, or a sentence: it takes too long, fails, or is ended."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_alone, args=(work, there, limit, memory))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        process.join()
        return f"over {limit:.0f} s" if process.exitcode == -signal.SIGXCPU else "ended by the system"
    finally:
        process.kill()
        process.join()


def _alone(work: Callable[[], Any], there: Any, limit: float, memory: float) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory * 2**30), resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit + time.process_time()) + 1, resource.RLIM_INFINITY))
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        there.send(work())
    except BaseException as error:  # another library's failure is a result
        there.send(f"fails: {type(error).__name__}: {str(error).splitlines()[0][:60] if str(error) else ''}")


def timed(side: Side, truth: np.ndarray) -> Result:
    begun = time.process_time()
    then = side()
    seconds = time.process_time() - begun
    return Result(then() == truth, seconds)


Found = dict[str, dict[str, list[Any]]]


def play(contests: dict[str, Contest], pair: Pair, turn: int, options: argparse.Namespace, found: Found) -> None:
    """One round of each contest, the sides in an order that changes with ``turn``, added to ``found``."""
    for name, sides in contests.items():
        if options.only and not {name, name.split(",")[0]} & set(options.only):
            continue
        order = list(sides)
        order = order[turn % len(order) :] + order[: turn % len(order)]
        for side in order:
            before = found[name].setdefault(side, [])
            if not any(isinstance(of, str) for of in before):
                before.append(isolated(partial(timed, sides[side], pair.truth), options.limit, options.memory))
        print(name, {side: _short(found[name][side][-1]) for side in order}, flush=True)


def _short(of: Result | str) -> str:
    return of if isinstance(of, str) else f"{of.right.mean():.3f}, {of.seconds:.1f} s"


def uncertain(each: np.ndarray, shared: bool) -> float:
    """Standard error of the mean of differences (draws, N): that of examples or that of draws, the larger one.

    ``shared``: the draws are parts of one set of examples. Most of it is in every draw, so draws differ less than new
    examples would, and more draws make that no better: their deviation counts as the jackknife has it.
    Reference: Shao and Wu, A general theory for jackknife variance estimation, Annals of Statistics 1989 (delete-d).
    """
    draws, count = (1, each.shape[1]) if shared else each.shape
    of_examples = float(each.std()) / (draws * count) ** 0.5
    if len(each) == 1:
        return of_examples
    return max(of_examples, float(each.mean(1).std(ddof=1)) * (KEPT / (1 - KEPT) if shared else 1 / draws) ** 0.5)


def compared(ours: list[Any], theirs: list[Any], repeats: int, shared: bool) -> tuple[str, bool, bool]:
    """A cell of the table, and whether ours is less accurate beyond noise, and slower, than this library."""
    failed = next((of for of in theirs if isinstance(of, str)), None)
    if failed or not theirs or any(isinstance(of, str) for of in ours):
        return failed or "-", False, False
    mine, other = (statistics.median(of.seconds for of in side) for side in (ours, theirs))
    # Repetitions are of time: each draw of the data counts once.
    each = np.array([a.right.astype(float) - b.right for a, b in zip(ours, theirs, strict=True)][::repeats])
    by_draw = each.mean(1)
    right = np.mean([of.right.mean() for of in theirs])
    noise = f" ± {100 * by_draw.std(ddof=1):.1f}" if len(each) > 1 else ""
    cell = f"{right:.3f} ({100 * by_draw.mean():+.1f}{noise}), {other:.2f} s, {other / mine:.1f}"
    return cell, len(each) >= ENOUGH and bool(by_draw.mean() < -2 * uncertain(each, shared)), other < mine


def shown(name: str, found: Found, repeats: int, shared: bool) -> dict[str, list[str]]:
    """Print the table of one data set, and what of the claim does not hold; ``shared``: see `uncertain`."""
    lines, less, slow = [], [], []
    for method, sides in found.items():
        cells, ours = [method, ", ".join(_middle(sides["ours"]))], sides["ours"]
        for library in LIBRARIES:
            cell, worse, slower = compared(ours, sides.get(library, []), repeats, shared)
            cells.append(cell)
            less += [f"{method} ({library})"] if worse else []
            slow += [f"{method} ({library})"] if slower else []
        lines.append(tuple(cells))
    print(f"\n## {name}\n\n{table(('method', 'ours', *LIBRARIES), lines)}\n")
    if not any(library in sides for sides in found.values() for library in LIBRARIES):
        print("nothing was compared: no other library that has these methods is installed", flush=True)
        return {"less_accurate": [], "slower": []}
    few = max(len(sides["ours"]) for sides in found.values()) < ENOUGH * repeats
    said = f"not to be told from fewer than {ENOUGH} draws" if few else ", ".join(less) or "nowhere"
    print(f"less accurate by more than two standard errors: {said}")
    print(f"slower: {', '.join(slow) or 'nowhere'}", flush=True)
    return {"less_accurate": less, "slower": slow}


def _middle(results: list[Any]) -> tuple[str, ...]:
    failed = next((of for of in results if isinstance(of, str)), None)
    if failed:
        return (failed,)
    right, seconds = np.mean([of.right.mean() for of in results]), statistics.median(of.seconds for of in results)
    return f"{right:.3f}", f"{seconds:.2f} s"


def plain(found: Found) -> dict[str, Any]:
    """The numbers for JSON."""
    both = lambda of: of if isinstance(of, str) else [float(of.right.mean()), of.seconds]  # noqa: E731
    return {m: {side: [both(of) for of in results] for side, results in sides.items()} for m, sides in found.items()}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("pairs", type=existing, nargs="*")
    asked.add_argument("--only", nargs="*", default=[])
    asked.add_argument("--out", type=Path)
    for name, value in (("rows", 10_000), ("width", 256), ("seeds", 3), ("repeats", 1), ("epochs", 5), ("threads", 1)):
        asked.add_argument(f"--{name}", type=int, default=value)
    asked.add_argument("--limit", type=float, default=30.0, help="seconds of processor time for one side")
    asked.add_argument("--flatten", type=float, default=0.0, help="least effective size of all weights, of one")
    asked.add_argument("--memory", type=float, default=12.0, help="GiB for one side")
    options = asked.parse_args()
    if min(options.seeds, options.repeats) < 1 or not (options.rows or options.pairs):
        asked.error("give --seeds and --repeats of at least 1, and --rows or a PAIR")
    if 0 < options.rows < 200:
        asked.error("--rows must be 0 or at least 200: half are the source, of ten classes")
    torch.set_num_threads(options.threads)
    _closed_peers.flattening = options.flatten
    allocator.keep_freed()
    _without_tensorflow.load()
    print(machine())
    data: dict[str, list[Pair]] = {}
    if options.rows:
        data["drawn"] = [drawn(options.rows, options.width, seed) for seed in range(options.seeds)]
    for file in options.pairs:
        for pair in matrices([file]):
            data[pair.name] = [part(lengths(pair), seed) for seed in range(options.seeds)]
    everything, verdicts = {}, {}
    with threadpool_limits(options.threads):
        for name, pairs in data.items():
            found: Found = defaultdict(dict)
            for seed, pair in enumerate(pairs):
                bench = Bench(pair, options.epochs, seed)
                bench.began(isolated(bench.trained, options.limit, options.memory))
                contests = closed(pair) | deep(bench)
                if unknown := set(options.only) - {known for row in contests for known in (row, row.split(",")[0])}:
                    raise SystemExit(f"no row named {', '.join(sorted(unknown))}; there are: {'; '.join(contests)}")
                for turn in range(options.repeats):
                    play(contests, pair, seed + turn, options, found)
            title = f"{name}, {len(pair.source)} and {len(pair.target)} x {pair.source.shape[1]}"
            verdicts[name] = shown(title, found, options.repeats, shared=name != "drawn")
            everything[name] = plain(found)
    write(options.out, {"options": {k: str(v) for k, v in vars(options).items()}, "found": everything, **verdicts})


if __name__ == "__main__":
    main()
