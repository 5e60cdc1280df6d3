"""Few labelled examples, drawn from many."""

from collections import defaultdict
from itertools import product

import numpy as np

from regraft.core.errors import UserError
from regraft.core.seeding import derive
from regraft.data._strata import members, sizes, tally
from regraft.data._units import distinct, ordered_units
from regraft.data.examples import Examples


def draw(examples: Examples, shots: int, seed: int, spare: bool = False) -> np.ndarray:
    """``shots`` different examples of each class (of numbers: in all), spread over the groups; indices, ascending.

    Drawn one after another, the rarest class first in each round, so that a larger draw contains the smaller ones of
    the same seed. An example with several labels counts for each of them, so there are more of some. ``spare``: one
    more of each must be there, to judge by.

    Raises:
        UserError: there are too few.
    """
    if examples.numeric:
        found = distinct(examples, np.arange(len(examples)))
        if len(found) < shots + spare:
            raise UserError(_too_few(examples, f"there are {len(found)}", shots, spare))
        return np.sort(_evenly(examples, _in_turn(examples, found, seed), seed)[:shots])
    strata, one = examples.strata, examples.labelling.one
    found_of = [distinct(examples, members(strata, c)) for c in range(len(sizes(strata, len(examples.classes))))]
    for name, mine in zip(examples.classes, found_of, strict=False):
        if len(mine) < shots + spare:
            raise UserError(_too_few(examples, f"{one} {name!r} has {len(mine)}", shots, spare))
    queues = [iter(_in_turn(examples, mine, seed)) for mine in found_of]
    left, count = np.array([len(mine) for mine in found_of]), np.zeros(len(found_of), dtype=int)
    drawn: dict[str, int] = {}  # digest -> index; a picture with two labels is drawn for one of them at most
    for turn, c in product(range(shots), np.argsort(left, kind="stable")):
        while count[c] <= turn and (i := next(queues[c], None)) is not None:
            held = tally(strata, np.array([i]))[0]
            named = held[held < len(examples.classes)]
            if examples.digests[i] not in drawn and (left[named] > spare).all():
                drawn[examples.digests[i]] = i
                left[held] -= 1
                count[held] += 1
        if count[c] <= turn and c < len(examples.classes):
            raise UserError(_too_few(examples, f"{one} {examples.classes[c]!r} has too few other", shots, spare))
    return np.sort(np.fromiter(drawn.values(), dtype=np.int64))


def places(examples: Examples, seed: int) -> np.ndarray:
    """Of each example (N,) the place of its unit in the order of drawing, which is one for all classes."""
    places = np.empty(len(examples), dtype=np.int64)
    for place, unit in enumerate(ordered_units(examples, seed, "few_shot")):
        places[unit] = place
    return places


def _in_turn(examples: Examples, members: list[int], seed: int) -> list[int]:
    """One member of each unit, then a second of each, and so on: labels of many groups say more than those of one."""
    place, seen, turns = places(examples, seed), defaultdict[int, int](int), dict[int, int]()
    for i in sorted(members, key=lambda i: derive(seed, examples.digests[i])):
        turns[i] = seen[place[i]]
        seen[place[i]] += 1
    return sorted(turns, key=lambda i: (turns[i], place[i]))


def _evenly(examples: Examples, members: list[int], seed: int) -> list[int]:
    """``members`` in an order of which every beginning has as many of each bin of the numbers as its share is."""
    sizes, seen = np.bincount(examples.strata[members]), np.zeros(int(examples.strata.max()) + 1)
    place = {}
    for i in members:
        stratum = examples.strata[i]
        seen[stratum] += 1
        place[i] = (seen[stratum] - 0.5) / sizes[stratum]
    return sorted(members, key=lambda i: (place[i], derive(seed, examples.digests[i])))


def _too_few(examples: Examples, found: str, shots: int, spare: bool) -> str:
    needed = f"need at least {shots + 1}: {shots} to learn from, one to judge by" if spare else "need as many"
    there = f"{found} different {examples.noun}s{'' if spare else ' to draw from'}"
    return f"{there}, but {shots} shots {needed}; add {examples.noun}s or lower the shots"
