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
from regraft.core.labels import Labels
from regraft.core.seeding import derive
from regraft.data._strata import dealt, members, sizes, tally
from regraft.data._units import merge, ordered_units, units_of
from regraft.data.draws import draw, places
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
    strata, chosen = examples.strata, list[np.ndarray]()
    totals = sizes(strata, len(examples.classes))
    want, left = np.clip(np.rint(share * totals), 1, np.maximum(totals - 1, 1)), totals.copy()  # left: not held out
    units = ordered_units(examples, seed, "holdout")
    tallies = [tally(strata, unit) for unit in units]
    iterative = dealt(strata, units, (1 - share, share)) if strata.ndim == 2 else None

    def choose(i: int) -> None:
        inside, count = tallies[i]
        left[inside] -= count
        want[inside] -= count
        chosen.append(units[i])

    for i, (inside, count) in enumerate(tallies):
        closer = ((want[inside] - count) ** 2).sum() <= (want[inside] ** 2).sum()
        if (closer if iterative is None else iterative[i] == 1) and (left[inside] > count).all():
            choose(i)
    for c in np.flatnonzero(totals):
        if left[c] < totals[c]:
            continue
        # A class of few, large units: the smallest that training can spare.
        fits = [i for i, (inside, count) in enumerate(tallies) if c in inside and (left[inside] > count).all()]
        if fits:
            choose(min(fits, key=lambda i: len(units[i])))
        elif c < len(examples.classes):  # a bin is no class: it may be missing on one side
            raise UserError(_one_unit(examples, int(c)))
    if not chosen:
        raise UserError(_one_unit(examples, 0))
    holdout = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(strata)), holdout), holdout


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
    of_unit = places(examples, seed)
    holdout = np.flatnonzero(~np.isin(of_unit, of_unit[train]))
    if not len(holdout):
        raise UserError(f"with {shots} shots no {examples.noun} is left to judge by; lower the shots")
    unjudged = np.flatnonzero(np.array(list(examples.take(holdout).counts().values())) == 0)
    if len(unjudged):
        raise UserError(_one_unit(examples, int(unjudged[0])))
    return train, holdout


def folds(labels: np.ndarray, k: int, seed: int, groups: Sequence[str] | None = None) -> list[Split]:
    """Stratified ``k``-fold cross-validation by position; groups stay together.

    Every class has a training example in every fold. So a class with two examples is left out one at a time, and one
    with a single example (or group) is never validated. There are fewer folds where there is too little to fill ``k``,
    and none where nothing can be validated (one example of each class).

    Args:
        labels: (N,) class indices, or strata (N, S): see `Examples.strata`.
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


def clusters(examples: Examples) -> tuple[str, ...] | None:
    """The cluster (N,) of each example: its group, and with it copies of an example. None where each stands alone."""
    units = units_of(examples)
    if len(units) == len(examples):
        return None
    names = np.empty(len(examples), dtype=np.int64)
    for number, unit in enumerate(units):
        names[unit] = number
    return tuple(map(str, names))


def outer_folds(examples: Examples, k: int, seed: int) -> list[Split]:
    """`folds` of examples to judge by: stratified, with groups and copies of an example together.

    Raises:
        UserError: there are fewer than two folds, or a class that no fold can judge, as it is one group or one example.
    """
    found = folds(examples.strata, k, seed, clusters(examples))
    judged = examples.take(np.concatenate([aside for _, aside in found]) if found else []).counts()
    if len(found) < 2 or not all(judged.values()):
        raise UserError(_one_unit(examples, min(range(len(judged)), key=lambda c: list(judged.values())[c])))
    return found


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
    clashes = [where for where in same.values() if len(np.unique(examples.labels[where], axis=0)) > 1]
    return [tuple(examples.ids[i] for i in where) for where in clashes]


def align_classes(target: Examples, test: Examples) -> Examples:
    """``test`` with its labels as indices into the classes of ``target``; it may lack some of them. Numbers stay.

    Raises:
        UserError: one has numbers and the other classes, or ``test`` has classes that ``target`` lacks; names them,
            each with the nearest name.
    """
    if target.labels is not None and test.labels is not None and target.labelling is not test.labelling:
        kinds = target.labelling.value, test.labelling.value
        raise UserError(f"the target's labels are {kinds[0]}, but the test set's are {kinds[1]}; see --task")
    return in_classes(test, target.classes)


def in_classes(test: Examples, classes: tuple[str, ...]) -> Examples:
    """``test`` with its labels in terms of ``classes``; numbers stay as they are.

    Raises:
        UserError: it has classes that are not among them; names them, each with the nearest name.
    """
    if test.numeric or test.classes == classes:
        return test
    strange = [name for name in test.classes if name not in classes]
    if strange:
        rest = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        named = ", ".join(_with_nearest(name, classes) for name in strange[:3])
        raise UserError(f"the test set has classes that the target lacks: {named}{rest}; use the same names in both")
    index = np.array([classes.index(name) for name in test.classes], dtype=np.int64)
    labels = test.labels
    if test.labelling is Labels.SETS:
        labels = np.zeros((len(test), len(classes)), dtype=np.int64)
        labels[:, index] = test.labels
    elif labels is not None:
        labels = index[labels]
    return replace(test, labels=labels, classes=classes)


def _with_nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1, 0.5)
    return f"{name!r} (nearest: {near[0]!r})" if near else repr(name)


def _one_unit(examples: Examples, c: int) -> str:
    if examples.numeric:
        return f"all {examples.noun}s are in one group or copies, so none is left to judge by; add others"
    one, name = examples.labelling.one, examples.classes[c]
    what, bound = f"{examples.noun}s", "in one group" if examples.groups else f"copies of one {examples.noun}"
    return (
        f"{one} {name!r} has {examples.counts()[name]} {what}, but they cannot be on both sides of a split, because "
        f"all are {bound} (or bound to another {one} by copies or groups); add others"
    )


def _deal(labels: np.ndarray, units: list[np.ndarray], k: int) -> list[list[np.ndarray]]:
    """Each unit to the fold that has the smallest share of its classes so far, then to the smallest fold."""
    parts: list[list[np.ndarray]] = [[] for _ in range(k)]
    if labels.ndim == 2:
        for unit, part in zip(units, dealt(labels, units, [1 / k] * k), strict=True):
            parts[part].append(unit)
        return parts
    totals = np.bincount(labels)
    load, filled = np.zeros((k, len(totals))), np.zeros(k)
    for unit in units:
        inside, count = tally(labels, unit)
        fold = int(np.lexsort((filled, load[:, inside] @ (count / totals[inside])))[0])
        load[fold, inside] += count
        filled[fold] += len(unit)
        parts[fold].append(unit)
    return parts


def _keep_classes(labels: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """The positions of one fold, less the units that training needs so as to have every class; ascending."""
    parts = sorted(parts, key=len)
    totals = sizes(labels)
    outside = totals - sum(sizes(labels[part], len(totals)) for part in parts)
    for c in np.flatnonzero((totals > 0) & (outside == 0)):
        if not outside[c]:
            spared = next(i for i, part in enumerate(parts) if len(np.intersect1d(members(labels, int(c)), part)))
            outside = outside + sizes(labels[parts.pop(spared)], len(totals))
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)
