"""Two samples compared: tests of permutation, and what they could have seen."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp

from regraft import guard
from regraft.core import catalog
from regraft.core.seeding import derive
from regraft.divergences._base import Divergence
from regraft.divergences._pairs import Pairs

LEVEL = 0.05
"""What p-values, adjusted for how many there are (Holm), must be below to count."""
DRAWS = 199
"""Random divisions of all examples into two domains that a p-value rests on, at least."""
_POWER, _TRIALS = 0.8, 20
_MOVES = np.geomspace(0.01, 3.0, 16)
"""Moves of the mean, in units of the spread inside a domain, that are tried."""
Groups = tuple[Sequence[str] | None, Sequence[str] | None]
"""Of the examples of each domain: what is drawn together."""


def divisions(sizes: tuple[int, int], groups: Groups, seed: int, tests: int = 1) -> Iterator[np.ndarray]:
    """Random divisions: for each example (N + M,) whether it is of the first domain; groups of a domain stay whole.

    As many as make one test of so many able to count.
    """
    n, total = sizes[0], sum(sizes)
    alone = ([str(i) for i in range(size)] for size in sizes)  # without groups, each is one by itself
    whole = [f"{side}/{g}" for side, (of, own) in enumerate(zip(groups, alone, strict=True)) for g in of or own]
    codes = np.unique(whole, return_inverse=True)[1] if any(groups) else np.arange(total)
    first = len(np.unique(codes[:n]))
    for i in range(max(DRAWS, int(2 * tests / LEVEL))):
        order = np.random.default_rng(derive(seed, i)).permutation(codes.max() + 1)
        yield np.isin(codes, order[:first])


def compared(name: str, rows: np.ndarray, n: int, divided: Sequence[np.ndarray]) -> dict[str, Any]:
    """A divergence of the first ``n`` of ``rows`` (N, P) from the others, and how often chance divides them as far.

    ``divided``: see `divisions`. ``value``; ``p``; ``chance``, the value that 95 of 100 divisions stay below.
    """
    measure: Divergence = catalog.find("divergences", name)()
    x = torch.from_numpy(rows)
    value = float(measure(x[:n], x[n:]))
    if isinstance(measure, Pairs):
        chance = _by_pairs(measure.kernel(x).numpy(), divided)
    else:
        chance = np.array([float(measure(x[side], x[~side])) for side in divided])
    p = float((1 + (chance >= value - 1e-12).sum()) / (1 + len(chance)))  # the one at hand is a division too
    return {"name": name, "value": value, "p": p, "chance": float(np.quantile(chance, 1 - LEVEL))}


def _by_pairs(kernel: np.ndarray, divided: Sequence[np.ndarray]) -> np.ndarray:
    """The divergence of each division (R,) from similarities (N, N): w'Kw for w = 1 / n on one side, -1 / m beyond."""
    sides = np.stack(divided)
    counts = sides.sum(1, keepdims=True)
    weights = np.where(sides, 1 / counts, -1 / (sides.shape[1] - counts))
    return np.asarray(((weights @ kernel) * weights).sum(1))


def adjusted(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tests with their p-values ``adjusted`` together (Holm)."""
    each = guard.holm([row["p"] for row in tests])
    return [{**row, "adjusted": float(p)} for row, p in zip(tests, each, strict=True)]


def detectable(rows: np.ndarray, n: int, groups: Groups, seed: int) -> float | None:
    """The least move of one domain's mean, in a random direction, that the energy distance finds 4 times of 5.

    In units of the root mean square distance of examples from the mean of their own domain; None if the largest that is
    tried is not found. The domains' own difference is taken out first. Found means a p-value that counts beside those
    of all divergences (Holm), by divisions of whole ``groups``.
    """
    own = np.concatenate([rows[:n] - rows[:n].mean(0), rows[n:] - rows[n:].mean(0)])
    own /= max(float(np.sqrt((own**2).sum(1).mean())), 1e-300)
    rng = np.random.default_rng(seed)
    ways = rng.normal(size=(_TRIALS, own.shape[1]))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    divided = list(divisions((n, len(own) - n), groups, derive(seed, "divisions")))
    sides, chance = divided[:_TRIALS], divided[_TRIALS:]
    least = LEVEL / len(catalog.names("divergences"))

    def found(side: np.ndarray, by: np.ndarray) -> bool:
        moved = np.where(side[:, None], own, own + by)
        values = _by_pairs(-cdist(moved, moved), [side, *chance])
        return bool((values >= values[0] - 1e-12).mean() < least)

    def finds(move: float) -> bool:
        return bool(np.mean([found(side, move * way) for side, way in zip(sides, ways, strict=True)]) >= _POWER)

    low, high = 0, len(_MOVES)  # the first that is found, by halving: more is found more easily
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(_MOVES[middle]) else (middle + 1, high)
    return float(_MOVES[low]) if low < len(_MOVES) else None


def columns(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Which columns of numbers moved, the most certain first: Kolmogorov and Smirnov's test, adjusted together (Holm).

    Values that are missing are not-a-number and left out; a column with fewer than two values in a domain is too.
    """
    found = []
    for name in a.keys() & b.keys():
        x, y = (values[np.isfinite(values)] for values in (a[name], b[name]))
        if min(len(x), len(y)) > 1:
            test = ks_2samp(x, y)
            found.append({"name": name, "value": float(test.statistic), "p": float(test.pvalue)})
    return sorted(adjusted(found), key=lambda row: (row["p"], -row["value"], row["name"]))
