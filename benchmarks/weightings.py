"""Weightings on densities that are known, beside other libraries; and time and memory of ours.

    python benchmarks/weightings.py ratio [--rows N] [--seeds S]   error of the recovered ratio
    python benchmarks/weightings.py speed [--rows N] [--width D]   seconds and memory (beside others: `peers.py`)

The densities are normal: the source standard, the target shifted by one along the first axis, and half as wide (or as
wide: ``same``). The error is the mean squared difference of weights with mean one from the true ratio on the source's
examples, over that of weights that are all one: below 1 a weighting says something, 0 is perfect. ``skada`` and
``adapt`` take part where they are installed, with their own defaults but for ``gamma``, which they get from ours where
they have no choice of their own. ``--only NAME ...`` runs some rows; ``--out FILE`` writes the numbers as JSON.
"""

import argparse
import importlib
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from _measuring import machine, timed, write

from regraft.core import catalog
from regraft.weightings._base import effective_size
from regraft.weightings._kernels import typical

Estimate = Callable[[np.ndarray, np.ndarray], np.ndarray]
CASES = {"1, same": (1, 1.0), "1, narrow": (1, 0.5), "5, same": (5, 1.0), "5, narrow": (5, 0.5), "20, same": (20, 1.0)}


def main() -> None:
    """Measure what the command line asks for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ratio", "speed"])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    every = ours() | (theirs() if asked.what == "ratio" else {})
    rows = {name: fit for name, fit in every.items() if not asked.only or name in asked.only}
    print(machine())
    found = ratio(rows, asked.rows, asked.seeds) if asked.what == "ratio" else speed(rows, asked.rows, asked.width)
    write(asked.out, {"rows": asked.rows, "width": asked.width, "seeds": asked.seeds, "found": found})


def ours() -> dict[str, Estimate]:
    """The catalogue's weightings that read no labels."""
    every = {name: catalog.find("weightings", name) for name in catalog.names("weightings")}
    return {name: cls() for name, cls in every.items() if not cls.labelled}


def theirs() -> dict[str, Estimate]:
    """Those of other libraries, as far as they are installed."""
    found: dict[str, Estimate] = {}
    try:
        skada = importlib.import_module("skada._reweight")
    except ImportError:
        print("skada is not installed")
    else:
        for short in ("KMM", "KLIEP", "Discriminator", "Density", "Gaussian", "NearestNeighbor"):
            kind = getattr(skada, f"{short}ReweightAdapter", None)
            if kind is not None:
                found[f"skada {short}"] = lambda x, y, kind=kind: _skada(kind, x, y)
    try:
        adapt = importlib.import_module("adapt.instance_based")
    except ImportError:
        print("adapt is not installed")
    else:
        for short in ("KMM", "KLIEP", "ULSIF", "RULSIF"):
            kind = getattr(adapt, short)
            found[f"adapt {short}"] = lambda x, y, kind=kind: _adapt(kind, x, y)
    return found


def _skada(kind: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    gamma = typical(x, y)
    wants = kind.__init__.__code__.co_varnames
    options: dict[str, Any] = {"gamma": gamma} if "gamma" in wants else {}
    both, domain = np.concatenate([x, y]), np.repeat([1, -2], [len(x), len(y)])
    adapter = kind(**options).fit(both, sample_domain=domain)
    weights = adapter.compute_weights(both, sample_domain=domain) if hasattr(adapter, "compute_weights") else None
    if weights is None:
        weights = adapter.fit_transform(both, sample_domain=domain)[1]["sample_weight"]
    return np.asarray(weights)[: len(x)]


def _adapt(kind: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    model = kind(Xt=y, kernel="rbf", gamma=typical(x, y), verbose=0, random_state=0)
    return np.asarray(model.fit_weights(x, y))


def ratio(rows: Mapping[str, Estimate], count: int, seeds: int) -> dict[str, dict[str, list[float]]]:
    """Errors of every estimate on every case, one a seed."""
    found: dict[str, dict[str, list[float]]] = {}
    print("| weighting | " + " | ".join(CASES) + " |\n" + "| --- " * (len(CASES) + 1) + "|")
    for name, fit in rows.items():
        found[name] = {case: [_error(fit, count, *of, seed) for seed in range(seeds)] for case, of in CASES.items()}
        cells = [f"{np.mean(errors):.2f}" if np.isfinite(errors).all() else "fails" for errors in found[name].values()]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    return found


def _error(fit: Estimate, count: int, width: int, scale: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    shift = np.eye(width)[0]
    x, y = rng.normal(size=(count, width)), shift + scale * rng.normal(size=(count, width))
    logs = (x**2).sum(1) / 2 - ((x - shift) ** 2).sum(1) / (2 * scale**2)
    truth = np.exp(logs - logs.max())
    truth /= truth.mean()
    try:
        weights = np.asarray(fit(x, y), dtype=float)
    except Exception as error:  # another library's failure is a result
        print(f"{type(error).__name__}: {error}")
        return float("nan")
    weights = weights / weights.mean()
    return float(((weights - truth) ** 2).mean() / ((1 - truth) ** 2).mean())


def speed(rows: Mapping[str, Estimate], count: int, width: int) -> dict[str, dict[str, float]]:
    """Seconds and the largest memory so far for ``count`` examples of each domain."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(count, width)), 0.3 + rng.normal(size=(count, width))
    found = {}
    print("| weighting | seconds | of processor | GiB so far | effective size |\n" + "| --- " * 5 + "|")
    for name, fit in rows.items():
        took, weights = timed(lambda fit=fit: fit(x, y), 0.0)  # type: ignore[misc]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        size = effective_size(np.asarray(weights))
        found[name] = {"wall": took.wall, "cpu": took.cpu, "load": took.load, "gib": peak, "effective_size": size}
        print(f"| {name} | {took.wall:.1f} | {took.cpu:.1f} | {peak:.1f} | {size:,.0f} |", flush=True)
    return found


if __name__ == "__main__":
    main()
