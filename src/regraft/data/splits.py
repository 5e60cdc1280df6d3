"""Who learns from what, and who judges by what: pure functions of contents and seeds.

Every draw orders the contents by a hash of (seed, digest). So equal pictures share their fate, and neither the order of
reading nor the names of the files matter.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from regraft.core.errors import UserError
from regraft.core.seeding import derive
from regraft.data._units import distinct, merge, ordered_units
from regraft.data.examples import Examples

_LOG = logging.getLogger("regraft")
Split = tuple[np.ndarray, np.ndarray]


def holdout_split(examples: Examples, share: float = 0.3, seed: int = 0) -> Split:
    """Set about ``share`` of each class aside; equal pictures and groups stay together.

    Every class keeps at least one example on each side. A unit (a picture and its copies, or a group) goes to the
    holdout if that brings the holdout closer to its share of the classes in the unit.

    Returns:
        Indices of the rest and of the holdout, each ascending.

    Raises:
        UserError: all of a class is one unit, so it cannot be on both sides.
    """
    labels, sizes = examples.strata, np.bincount(examples.strata, minlength=len(examples.classes))
    want = np.clip(np.rint(share * sizes), 1, np.maximum(sizes - 1, 1))
    left = sizes.copy()  # examples of each class that are not in the holdout
    units = ordered_units(examples, seed, "holdout")
    tallies = [np.unique(labels[unit], return_counts=True) for unit in units]
    chosen: list[np.ndarray] = []

    def choose(i: int) -> None:
        inside, tally = tallies[i]
        left[inside] -= tally
        want[inside] -= tally
        chosen.append(units[i])

    for i, (inside, tally) in enumerate(tallies):
        closer = ((want[inside] - tally) ** 2).sum() <= (want[inside] ** 2).sum()
        if closer and (left[inside] > tally).all():
            choose(i)
    for c in np.flatnonzero(sizes):
        if left[c] < sizes[c]:
            continue
        # A class of few, large units: the smallest that training can spare.
        fits = [i for i, (inside, tally) in enumerate(tallies) if c in inside and (left[inside] > tally).all()]
        if fits:
            choose(min(fits, key=lambda i: len(units[i])))
        elif not examples.numeric:  # a bin is no class: it may be missing on one side
            raise UserError(_one_unit(examples, int(c)))
    if not chosen:
        raise UserError(_one_unit(examples, 0))
    holdout = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(labels)), holdout), holdout


def aside_split(examples: Examples, share: float, seed: int) -> Split:
    """Set about ``share`` of the examples aside without a look at labels; equal examples and groups stay together.

    Returns:
        Indices of the rest and of what is set aside, each ascending.
    """
    units = ordered_units(examples, seed, "aside")
    ends = np.cumsum([len(unit) for unit in units])
    chosen = [unit for unit, end in zip(units, ends, strict=True) if end <= share * len(examples)]
    aside = np.sort(np.concatenate([np.empty(0, np.int64), *chosen]))
    return np.setdiff1d(np.arange(len(examples)), aside), aside


def few_shot(examples: Examples, shots: int, seed: int) -> Split:
    """Draw ``shots`` different pictures of each class (of numbers: in all) to learn from; the rest is the holdout.

    Where there are groups, about half of each class is set aside first, and the labels are drawn from the groups that
    are left; those from which none was drawn go to the holdout too. Copies of a drawn picture, and what else is in its
    group, are on neither side. A larger draw contains the smaller ones of the same seed.

    Returns:
        Indices of the drawn and of the holdout, each ascending.

    Raises:
        UserError: a class has no more than ``shots`` different pictures, or nothing of it is left to judge by.
    """
    pool = np.arange(len(examples))
    if examples.groups is not None:
        pool = holdout_split(examples, 0.5, seed)[0]
    train = pool[draw(examples.take(pool), shots, seed, len(pool) == len(examples))]
    of_unit = _places(examples, seed)
    holdout = np.flatnonzero(~np.isin(of_unit, of_unit[train]))
    if examples.numeric:
        if not len(holdout):
            raise UserError(f"with {shots} shots no {examples.noun} is left to judge by; lower the shots")
        return train, holdout
    unjudged = np.flatnonzero(np.bincount(examples.strata[holdout], minlength=len(examples.classes)) == 0)
    if len(unjudged):
        raise UserError(_one_unit(examples, int(unjudged[0])))
    return train, holdout


def draw(examples: Examples, shots: int, seed: int, spare: bool = False) -> np.ndarray:
    """``shots`` different pictures of each class (of numbers: in all), spread over the groups; indices, ascending.

    A larger draw contains the smaller ones of the same seed. ``spare``: one more must be there, to judge by.

    Raises:
        UserError: there are too few.
    """
    drawn: dict[str, int] = {}  # digest -> index; a picture with two labels is drawn for one of them at most
    for c, name in enumerate(("",) if examples.numeric else examples.classes):
        of_class = np.arange(len(examples)) if examples.numeric else np.flatnonzero(_labels(examples) == c)
        members = [i for i in distinct(examples, of_class) if examples.digests[i] not in drawn]
        if len(members) < shots + spare:
            raise UserError(_too_few(examples, name, len(members), shots, spare))
        chosen = _in_turn(examples, members, seed)
        chosen = _evenly(examples, chosen, seed) if examples.numeric else chosen
        drawn.update((examples.digests[i], i) for i in chosen[:shots])
    return np.sort(np.fromiter(drawn.values(), dtype=np.int64))


def _places(examples: Examples, seed: int) -> np.ndarray:
    """Of each example (N,) the place of its unit in the order of drawing, which is one for all classes."""
    places = np.empty(len(examples), dtype=np.int64)
    for place, unit in enumerate(ordered_units(examples, seed, "few_shot")):
        places[unit] = place
    return places


def _in_turn(examples: Examples, members: list[int], seed: int) -> list[int]:
    """One member of each unit, then a second of each, and so on: labels of many groups say more than those of one."""
    places, seen, turns = _places(examples, seed), defaultdict[int, int](int), dict[int, int]()
    for i in sorted(members, key=lambda i: derive(seed, examples.digests[i])):
        turns[i] = seen[places[i]]
        seen[places[i]] += 1
    return sorted(turns, key=lambda i: (turns[i], places[i]))


def _evenly(examples: Examples, members: list[int], seed: int) -> list[int]:
    """``members`` in an order of which every beginning has as many of each bin of the numbers as its share is."""
    sizes, seen = np.bincount(examples.strata[members]), np.zeros(int(examples.strata.max()) + 1)
    place = {}
    for i in members:
        stratum = examples.strata[i]
        seen[stratum] += 1
        place[i] = (seen[stratum] - 0.5) / sizes[stratum]
    return sorted(members, key=lambda i: (place[i], derive(seed, examples.digests[i])))


def _too_few(examples: Examples, name: str, found: int, shots: int, spare: bool) -> str:
    what = f"different {examples.noun}s"
    of = f"there are {found} {what}" if examples.numeric else f"class {name!r} has {found} {what}"
    needed = f"need at least {shots + 1}: {shots} to learn from, one to judge by" if spare else "need as many"
    return (
        f"{of}{'' if spare else ' to draw from'}, but {shots} shots {needed}; add {examples.noun}s or lower the shots"
    )


def folds(labels: np.ndarray, k: int, seed: int, groups: Sequence[str] | None = None) -> list[Split]:
    """Stratified ``k``-fold cross-validation by position; groups stay together.

    Every class has a training example in every fold. So a class with two examples is left out one at a time, and one
    with a single example (or group) is never validated. There are fewer folds where there is too little to fill ``k``,
    and none where nothing can be validated (one example of each class).

    Args:
        labels: (N,) class indices.
        k: at least 2.
        seed: of the shuffle.
        groups: (N,) or None.

    Returns:
        Indices to train on and to validate on, each ascending, per fold.

    Raises:
        ValueError: ``k`` is below 2.
    """
    if k < 2:
        raise ValueError(f"cross-validation needs at least 2 folds, got {k}")
    labels = np.asarray(labels)
    units = merge([[str(i)] for i in range(len(labels))] if groups is None else [[group] for group in groups])
    np.random.default_rng(derive(seed, "folds")).shuffle(units)
    units.sort(key=len, reverse=True)  # large groups first: the small ones even out
    splits = []
    for parts in _deal(labels, units, k):
        valid = _keep_classes(labels, parts)
        if len(valid):
            splits.append((np.setdiff1d(np.arange(len(labels)), valid), valid))
    return splits


def drop_duplicates(train: Examples, holdout: Examples) -> tuple[Examples, int]:
    """``train`` without the pictures that are also in ``holdout``, and how many those were.

    Pictures that are in ``train`` with several labels stay, but a warning is logged (see ``conflicts``).

    Raises:
        UserError: nothing would be left of a class.
    """
    seen = set(holdout.digests)
    kept = train.take([i for i, digest in enumerate(train.digests) if digest not in seen])
    kept = replace(kept, skipped=train.skipped)
    before = train.counts()
    if train.numeric and not len(kept):
        raise UserError(f"every {train.noun} is also in the test set; remove them from one of the two")
    for name, count in kept.counts().items():
        if before[name] and not count:
            raise UserError(
                f"every {train.noun} of class {name!r} is also in the test set; remove them from one of the two"
            )
    clashes = conflicts(kept)
    if clashes:
        first = " and ".join(clashes[0][:2])
        _LOG.warning(
            "%d %ss have several labels, the first: %s; correct or remove them", len(clashes), kept.noun, first
        )
    return kept, len(train) - len(kept)


def conflicts(examples: Examples) -> list[tuple[str, ...]]:
    """The ids of equal pictures with different labels: one tuple a picture."""
    if examples.labels is None:
        return []
    same: dict[str, list[int]] = defaultdict(list)
    for i, digest in enumerate(examples.digests):
        same[digest].append(i)
    clashes = [where for where in same.values() if len(np.unique(examples.labels[where])) > 1]
    return [tuple(examples.ids[i] for i in where) for where in clashes]


def align_classes(target: Examples, test: Examples) -> Examples:
    """``test`` with its labels as indices into the classes of ``target``; it may lack some of them. Numbers stay.

    Raises:
        UserError: one has numbers and the other classes, or ``test`` has classes that ``target`` lacks; names them,
            each with the nearest name.
    """
    if target.numeric or test.numeric:
        if target.numeric != test.numeric:
            kinds = ("numbers", "classes") if target.numeric else ("classes", "numbers")
            raise UserError(f"the target's labels are {kinds[0]}, but the test set's are {kinds[1]}; see --task")
        return test
    strange = [name for name in test.classes if name not in target.classes]
    if strange:
        rest = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        named = ", ".join(_with_nearest(name, target.classes) for name in strange[:3])
        raise UserError(f"the test set has classes that the target lacks: {named}{rest}; use the same names in both")
    index = np.array([target.classes.index(name) for name in test.classes], dtype=np.int64)
    return replace(test, labels=None if test.labels is None else index[test.labels], classes=target.classes)


def _with_nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1, 0.5)
    return f"{name!r} (nearest: {near[0]!r})" if near else repr(name)


def _labels(examples: Examples) -> np.ndarray:
    if examples.labels is None:
        raise ValueError("these examples have no labels")
    return examples.labels


def _one_unit(examples: Examples, c: int) -> str:
    if examples.numeric:
        return f"all {examples.noun}s are in one group or copies, so none is left to judge by; add others"
    name = examples.classes[c]
    what, bound = f"{examples.noun}s", "in one group" if examples.groups else f"copies of one {examples.noun}"
    return (
        f"class {name!r} has {examples.counts()[name]} {what}, but they cannot be on both sides of a split, because "
        f"all are {bound} (or bound to another class by copies or groups); add others"
    )


def _deal(labels: np.ndarray, units: list[np.ndarray], k: int) -> list[list[np.ndarray]]:
    """Each unit to the fold that has the smallest share of its classes so far, then to the smallest fold."""
    totals = np.bincount(labels)
    load, filled = np.zeros((k, len(totals))), np.zeros(k)
    parts: list[list[np.ndarray]] = [[] for _ in range(k)]
    for unit in units:
        inside, tally = np.unique(labels[unit], return_counts=True)
        fold = int(np.lexsort((filled, load[:, inside] @ (tally / totals[inside])))[0])
        load[fold, inside] += tally
        filled[fold] += len(unit)
        parts[fold].append(unit)
    return parts


def _keep_classes(labels: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """The positions of one fold, less the units that training needs so as to have every class; ascending."""
    parts = sorted(parts, key=len)
    outside = np.bincount(labels)
    for part in parts:
        outside = outside - np.bincount(labels[part], minlength=len(outside))
    present = np.bincount(labels) > 0
    for c in np.flatnonzero(present & (outside == 0)):
        if not outside[c]:
            spared = next(i for i, part in enumerate(parts) if (labels[part] == c).any())
            outside = outside + np.bincount(labels[parts.pop(spared)], minlength=len(outside))
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)
