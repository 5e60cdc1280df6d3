"""Step 1: read the target and set the holdout aside."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from regraft import runs
from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.core.progress import Reporter
from regraft.data import columns
from regraft.data.draws import draw
from regraft.data.examples import Examples, together
from regraft.data.splits import align_classes, clusters, conflicts, drop_duplicates, few_shot, holdout_split
from regraft.readers._base import kind_as, read
from regraft.readers._domains import labelled_data, single
from regraft.repeated import Outer

FEW = 100
"""Different labelled examples (or groups) up to which no holdout is set aside unasked: it would have thirty at most."""
FOLDS = 5
"""Folds, if nobody says how many: four fifths are learned from, as a holdout of a fifth would leave."""


@dataclass(frozen=True)
class Prepared:
    """The target, divided: ``train`` to learn and choose with, ``holdout`` to judge by, ``unlabeled`` without labels.

    With no labels to learn from, ``train`` is ``unlabeled``.
    ``facts``: what was read, skipped and removed, for the report; ``given``: the labelled data of ``data:`` sources.
    """

    train: Examples
    holdout: Examples
    unlabeled: Examples | None
    facts: dict[str, Any]
    given: Mapping[str, Examples]
    outer: Outer | None = None
    """How to judge where the target is too small for a holdout: ``holdout`` is then what may judge of ``train``."""

    @property
    def blind(self) -> bool:
        """Whether there are no labels to learn from and to choose by."""
        return self.train.labels is None


@dataclass(frozen=True)
class Request:
    """What was asked for: see the options of the same names of ``regraft run``."""

    target: Path
    test: Path | None
    unlabeled: Path | None
    shots: int | None
    seed: int
    label: str = "label"
    task: str = "auto"
    kind: str = "auto"
    sources: tuple[str, ...] = ()
    """What they learn or learned from judges nothing."""
    folds: int | None = None
    repeats: int = 1
    roomy: bool = False
    """Whether there is time to judge in folds, where nobody asked for it, but the target is small."""


def prepare(request: Request, reporter: Reporter) -> Prepared:
    """Read and divide the target.

    Raises:
        UserError: the data cannot be read or divided; names the file, class or option and the fix.
    """
    blind = request.shots == 0
    one = blind or request.test is not None  # then none has to be set aside
    least = {"at_least": 1 if one else 2, "classes": 1 if blind else 2}
    examples = read(request.target, **least, label=request.label, task=request.task, kind=request.kind)
    outer = None if blind else _outer(examples, request, reporter)
    divide = _undivided if blind else _whole if outer else _divide
    train, holdout, duplicates, protocol = divide(examples, request)
    if request.test is None:  # with a test set, taking out what is in it says so
        examples = replace(examples, notes=(*examples.notes, *_contradictions(examples)))
    given = {uri: labelled_data(uri, examples) for uri in single(request.sources) if uri.startswith("data:")}
    holdout, known = _unseen(holdout, _seen(request, given, holdout))
    if known:
        protocol += f"; {known} {examples.noun}s that a source has learned from are not judged by"
    unlabeled = _unlabeled(request, examples) if request.unlabeled else None
    if blind:
        unlabeled = train = _blindly(train, unlabeled, request)
    reporter.say(f"target {request.target}: {_described(examples)}")
    _tell(examples, duplicates, reporter)
    seen = len(set(unlabeled.digests) & set(holdout.digests)) if unlabeled else 0
    if seen:
        protocol += f"; {seen} of the unlabelled {examples.noun}s are also in the holdout (their labels are never read)"
    before = set(holdout.digests).intersection(chain(*runs.seen_by(single(request.sources)).values()))
    if before:
        protocol += f"; {len(before)} a source has seen too, without labels, and may have been judged by"
    facts = _facts(request, examples, train, holdout, unlabeled) | {"duplicates": duplicates, "protocol": protocol}
    return Prepared(train, holdout, unlabeled, facts, given, outer)


def _facts(
    request: Request, examples: Examples, train: Examples, holdout: Examples, unlabeled: Examples | None
) -> dict[str, Any]:
    """What is told of the data; ``examples``: all that were read."""
    return {
        "target": str(request.target),
        "classes": list(examples.classes),
        "labels": examples.labelling.value,
        "train": train.counts(),
        "holdout": holdout.counts(),
        "examples": {"train": 0 if train.labels is None else len(train), "holdout": len(holdout)},
        "unlabeled": len(unlabeled) if unlabeled else 0,
        "skipped": [[str(s.path), s.reason] for s in examples.skipped],
        "notes": list(examples.notes),
    }


def _seen(request: Request, given: Mapping[str, Examples], holdout: Examples) -> dict[str, frozenset[str]]:
    """The digests of what each source has learned from, or will: on what is ``given`` the run trains.

    Of tables, also the digests of rows of the ``holdout`` that are nearly such a row. Without labels to learn from, all
    that judges is learned from unlabelled, so what a source has seen without labels may judge too.
    """
    seen = dict(runs.seen_by(single(request.sources), labelled=request.shots == 0))
    for uri, source in given.items():
        near = columns.alike(source, holdout) if source.kind == holdout.kind == "table" else frozenset()
        seen[uri] = near.union(source.digests)
    return seen


def _unseen(holdout: Examples, seen: Mapping[str, frozenset[str]]) -> tuple[Examples, int]:
    """The holdout without what a source learned from, with or without labels, and how many those were.

    Raises:
        UserError: nothing is left, or nothing of a class.
    """
    kept = holdout.take([i for i, d in enumerate(holdout.digests) if not any(d in known for known in seen.values())])
    lost = len(holdout) - len(kept)
    gone = [name for name, count in kept.counts().items() if not count and holdout.counts()[name]]
    if lost and (gone or not len(kept)):
        worst = max(seen, key=lambda uri: len(seen[uri] & set(holdout.digests)))
        what = f"none of class {gone[0]!r}" if gone and len(kept) else "none"
        raise UserError(
            f"source {worst} has learned from {lost} of the {len(holdout)} {holdout.noun}s that would judge it, and "
            f"{what} is left; give a --test set that it has not seen, or take them out of what it learns from"
        )
    return kept, lost


def _contradictions(examples: Examples) -> list[str]:
    clashes = conflicts(examples)
    if not clashes:
        return []
    first = " and ".join(clashes[0][:2])
    return [
        f"{len(clashes)} {examples.noun}s are there with different labels, the first: {first}; correct or remove them"
    ]


def _tell(examples: Examples, duplicates: int, reporter: Reporter) -> None:
    """What the user should know of what was read."""
    if duplicates:
        reporter.say(
            f"{duplicates} {examples.noun}s are both in the target and in the test set; they were removed from training"
        )
    if examples.skipped:
        first = examples.skipped[0]
        count = len(examples.skipped)
        noun = examples.noun if first.within else "file"
        what = f"1 {noun} was skipped" if count == 1 else f"{count} {noun}s were skipped; the first"
        reporter.say(f"{what}: {first.path} ({first.reason})")
    for note in examples.notes:
        reporter.say(note)


def _divide(examples: Examples, request: Request) -> tuple[Examples, Examples, int, str]:
    many = "" if request.shots == 1 else "s"
    drawn = {
        Labels.NUMBERS: f"{request.shots} label{many} drawn",
        Labels.CLASSES: f"{request.shots} label{many} per class drawn",
        Labels.SETS: f"{request.shots} example{many} of each label drawn, as few in all as that takes",
    }[examples.labelling]
    if request.test is not None:
        holdout = align_classes(examples, _test(request, examples))
        train, duplicates = drop_duplicates(examples, holdout)
        protocol = f"judged on the {len(holdout)} examples of {request.test}"
        if request.shots is not None:
            train = train.take(draw(train, request.shots, request.seed))
            protocol = f"{drawn}; {protocol}"
        return train, holdout, duplicates, protocol
    if request.shots is not None:
        few, rest = few_shot(examples, request.shots, request.seed)
        return (
            examples.take(few),
            examples.take(rest),
            0,
            f"{drawn}; judged on {'groups that none was drawn from' if examples.groups else 'the rest'}",
        )
    kept, aside = holdout_split(examples, seed=request.seed)
    share = f"three tenths of {'the examples' if examples.numeric else f'each {examples.labelling.one}'}"
    return examples.take(kept), examples.take(aside), 0, f"{share} set aside to judge by"


def _outer(examples: Examples, request: Request, reporter: Reporter) -> Outer | None:
    """In which folds to judge; None for a holdout.

    Raises:
        UserError: more folds were asked for than there are different examples.
    """
    count, many = len(set(clusters(examples) or examples.ids)), f"{examples.noun}s"
    what = f"{count} {'groups of ' * bool(examples.groups)}{many}"
    if request.folds and request.folds > count:
        raise UserError(f"option 'folds' is {request.folds}, but the target has only {what}; give at most {count}")
    small = request.folds is None and request.test is None and request.shots is None and count <= FEW
    if not request.folds and not (small and request.roomy and count >= FOLDS):
        if small and len(examples) >= FOLDS:
            reporter.say(f"{what} are few to set some aside; --folds {FOLDS} would judge by all of them, for more time")
        return None
    if small:
        reporter.say(
            f"{what} are too few to set some aside: each is judged by models that were chosen and trained without it, "
            f"in {FOLDS} folds that share the budget; --folds 0 sets some aside instead"
        )
    return Outer(request.folds or FOLDS, request.repeats)


def _whole(examples: Examples, request: Request) -> tuple[Examples, Examples, int, str]:
    """All of the target to learn from and, fold by fold, to judge by."""
    return examples, examples, 0, "no holdout: judged in nested cross-validation"


def _undivided(examples: Examples, request: Request) -> tuple[Examples, Examples, int, str]:
    """All of the target to learn from without its labels, which only judge.

    Raises:
        UserError: the labels are no classes: nothing else is told by name.
    """
    if examples.labelling is not Labels.CLASSES:
        raise UserError(
            f"option 'shots' is 0, and without labels only classes can be learned, which have names; "
            f"{request.target} holds {examples.labelling.value}"
        )
    if request.test is not None:
        holdout = align_classes(examples, _test(request, examples))
        return examples.unlabelled(), holdout, 0, f"no label is learned from; judged on {request.test}"
    return examples.unlabelled(), examples, 0, "no label is learned from or chosen by; the labels of the target judge"


def _blindly(target: Examples, unlabeled: Examples | None, request: Request) -> Examples:
    """What is learned from without labels: what was given as unlabelled, and the target too unless it judges."""
    if unlabeled is None:
        return target
    both = together(target, unlabeled) if request.test is not None else unlabeled
    return replace(both, classes=target.classes)


def _test(request: Request, examples: Examples) -> Examples:
    assert request.test is not None
    task, kind = examples.labelling.task, kind_as(request.test, examples.kind)
    return _same_kind("test", examples, read(request.test, at_least=1, label=request.label, task=task, kind=kind))


def _unlabeled(request: Request, examples: Examples) -> Examples:
    assert request.unlabeled is not None
    kind = kind_as(request.unlabeled, examples.kind)
    return _same_kind("unlabeled", examples, read(request.unlabeled, labelled=False, label=request.label, kind=kind))


def _same_kind(option: str, examples: Examples, found: Examples) -> Examples:
    if found.kind != examples.kind:
        raise UserError(
            f"option {option!r} holds {found.noun}s, but the target {examples.noun}s; give what is of the target's "
            f"kind, or leave it out"
        )
    return found


def _described(examples: Examples) -> str:
    """What was recognised, in words."""
    many = f"{len(examples.classes)} {examples.labelling.many}"
    labels = {Labels.NUMBERS: "with numbers to predict", Labels.SETS: f"with {many}"}
    return f"{len(examples)} {examples.noun}s {labels.get(examples.labelling, f'of {many}')}"
