"""What splits keep the shares of: strata, one for each example (N,), or several at once (N, S) as 0 and 1."""

from collections.abc import Sequence

import numpy as np


def sizes(strata: np.ndarray, least: int = 0) -> np.ndarray:
    """Examples of each stratum, of at least ``least`` strata."""
    return strata.sum(0) if strata.ndim == 2 else np.bincount(strata, minlength=least)


def tally(strata: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The strata that the examples ``unit`` are of, ascending, and how many are of each."""
    if strata.ndim == 1:
        return np.unique(strata[unit], return_counts=True)
    counts = strata[unit].sum(0)
    inside = np.flatnonzero(counts)
    return inside, counts[inside]


def dealt(strata: np.ndarray, units: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """The part (U,) of each unit, so that each part has its share of every stratum: strata are (N, S) here.

    The rarest stratum is dealt first, each of its units to the part that lacks most of it, then to the part that lacks
    most examples. Every example must be of some stratum.
    Reference: Sechidis, Tsoumakas and Vlahavas, On the stratification of multi-label data, ECML PKDD 2011, algorithm 1.
    """
    tallies = np.stack([strata[unit].sum(0) for unit in units])
    lengths, parts = np.array([len(unit) for unit in units]), np.full(len(units), -1)
    lacks, room = np.outer(shares, tallies.sum(0)), np.asarray(shares) * lengths.sum()
    while (parts < 0).any():
        left = tallies[parts < 0].sum(0)
        rarest = int(np.where(left > 0, left, left.max() + 1).argmin())
        for i in np.flatnonzero((parts < 0) & (tallies[:, rarest] > 0)):
            part = int(np.lexsort((-room.round(6), -lacks[:, rarest].round(6)))[0])
            parts[i] = part
            lacks[part] -= tallies[i]
            room[part] -= lengths[i]
    return parts


def members(strata: np.ndarray, stratum: int) -> np.ndarray:
    """Positions of the examples of one stratum, ascending."""
    return np.flatnonzero(strata[:, stratum] if strata.ndim == 2 else strata == stratum)
