"""How sure the kept model may sound: temperature and conformal sets, found without the holdout, measured on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft import guard
from regraft.bench import Bench
from regraft.core.config import to_plain
from regraft.core.errors import CandidateError, UserError
from regraft.core.labels import Labels
from regraft.core.records import Evaluation, Interval
from regraft.core.seeding import derive
from regraft.data.splits import clusters, folds
from regraft.finishing import Finish
from regraft.tasks._base import RANGES, Task

FOLDS = (3, 2)
"""Parts of the cross-validation, as many as there is time for."""
MOST = 5000
"""Scores that are kept for sets, at most."""
_PROMISE = (
    "That is for examples like those it learned from and on average over them, as far as the model errs like those of "
    "the cross-validation."
)
_MEASURED = ("log_loss", "calibration_error")


@dataclass(frozen=True)
class Trained:
    """The kept model: what it was made by, and what a training of it takes in seconds."""

    finish: Finish
    method: str
    steps: int
    seconds: float


@dataclass(frozen=True)
class Certainty:
    """``temperature`` that was applied (1: none), ``scores`` of the truth on examples not learned from; why, if none.

    ``told``: of the temperature, for the result.
    """

    temperature: float = 1.0
    scores: tuple[float, ...] = ()
    why: str = ""
    told: dict[str, Any] | None = None

    @property
    def kept(self) -> dict[str, Any]:
        """What is kept with the model."""
        return {"temperature": self.temperature, "scores": list(self.scores)}


def find(trained: Trained) -> Certainty:
    """Temperature and scores of the kept model, by cross-validation of what made it. The holdout is not read."""
    finish, bench = trained.finish, trained.finish.bench
    data = finish.train_data
    if data.examples.labels is None or not len(data):
        return Certainty(why="the target has no labels to calibrate with")
    count = bench.journal.once("calibrate", lambda: _affordable(bench, trained.seconds))
    if not count:
        return Certainty(why="the budget had no time to train it again on parts of the labels")
    splits = folds(data.examples.strata, count, derive(bench.seed, "calibrate"), clusters(data.examples))
    if not splits:
        return Certainty(why="there is one label a class, so none can be left out")
    try:
        rows, found, part = finish.crossed(trained.method, trained.steps, splits)
    except (CandidateError, UserError) as error:
        return Certainty(why=f"training on a part of the labels broke down ({error})")
    return _fitted(found, part, data.labels[rows], finish, rows)


def _affordable(bench: Bench, seconds: float) -> int:
    """How many parts there is time for: in two thirds of what is left, as the curve comes after it."""
    return next((count for count in FOLDS if 1.3 * count * seconds <= 0.67 * bench.clock.left(0.93)), 0)


def _fitted(found: np.ndarray, part: np.ndarray, truth: np.ndarray, finish: Finish, rows: np.ndarray) -> Certainty:
    task, named = finish.problem(0).task, clusters(finish.train_data.examples)
    if task.labels is Labels.NUMBERS:
        return Certainty(scores=_few(np.abs(found[:, 0].astype(float) - truth), finish.bench.seed))
    groups = None if named is None else [named[row] for row in rows]
    fit = guard.fit_temperature(found, truth, part, groups)
    applied = fit.value if fit.helps else 1.0
    scores = guard.set_scores(guard.scaled(found, applied, task.labels is Labels.CLASSES), truth)
    told = {**to_plain(fit), "applied": fit.helps, "examples": len(truth), "folds": len(np.unique(part))}
    return Certainty(applied, _few(scores, finish.bench.seed), told=told)


def _few(scores: np.ndarray, seed: int) -> tuple[float, ...]:
    """The scores in ascending order, six digits each; a random part of very many."""
    some = np.random.default_rng(derive(seed, "scores")).permutation(len(scores))[:MOST]
    return tuple(np.sort(np.round(scores[some].astype(float), 6)).tolist())


def measured(certain: Certainty, record: Evaluation, task: Task, level: float) -> dict[str, Any]:
    """What the holdout says of temperature and sets of the first seed's model: ``calibration`` and ``sets``."""
    first = Evaluation(record.outputs[:1], record.utility[:1], record.targets, record.ids, record.groups)
    if not certain.scores:
        missing = {"why": certain.why, "sentence": f"Left out, as {certain.why}."}
        return {"calibration": {} if task.labels is Labels.NUMBERS else missing, "sets": missing}
    if task.labels is Labels.NUMBERS:
        ranges = _ranges(certain, first, level)
        return {"calibration": {}, "sets": {**ranges, "sentence": _told_range(ranges)}}
    exclusive = task.labels is Labels.CLASSES
    outputs = guard.scaled(first.outputs, certain.temperature, exclusive)
    after = Evaluation(outputs, first.utility, first.targets, first.ids, first.groups)
    calibration = dict(certain.told or {})
    for name, one in (("before", first), ("after", after)):
        if name == "before" or calibration["applied"]:
            calibration[name] = {metric: _figure(metric, one, task, level) for metric in _MEASURED}
    calibration["sentence"] = _told_temperature(calibration)
    sets = _sets(certain, after, exclusive, level)
    return {"calibration": calibration, "sets": {**sets, "sentence": _told_sets(sets, exclusive)}}


def _figure(name: str, record: Evaluation, task: Task, level: float) -> dict[str, float]:
    count = len(set(record.groups or record.ids))
    return _plain(guard.bootstrap(task.metrics()[name], record, level).within(*RANGES[name], count))


def _sets(certain: Certainty, record: Evaluation, exclusive: bool, level: float) -> dict[str, Any]:
    limit = guard.threshold(certain.scores, level)
    within = guard.sets(record.outputs[0], limit, exclusive)
    sizes = within.sum(1).astype(float)
    size = guard.interval(sizes, record.groups, level)
    found = {"size": _plain(size), "single": float((sizes == 1).mean()), "classes": within.shape[1]}
    return {**_covered(certain, guard.holds(within, record.targets), record.groups, level), **found}


def _ranges(certain: Certainty, record: Evaluation, level: float) -> dict[str, Any]:
    limit = guard.threshold(certain.scores, level)
    error = np.abs(record.outputs[0, :, 0].astype(float) - record.targets)
    half = limit if np.isfinite(limit) else None
    return {**_covered(certain, error <= limit, record.groups, level), "half_width": half}


def _told_temperature(found: dict[str, Any]) -> str:
    where = f"in cross-validation on {found['examples']:,} labelled examples"
    if not found["applied"]:
        return f"Its probabilities stay as they are: no temperature lowered the log loss clearly {where}."
    before, after = (100 * found[name]["calibration_error"]["mean"] for name in ("before", "after"))
    way = "too sure" if found["value"] > 1 else "not sure enough"
    return (
        f"Its probabilities were {way}, so its outputs are divided by {found['value']:.2f}, found {where}. "
        f"On the holdout the calibration error was {before:.1f}% before and is {after:.1f}% after."
    )


def _told_sets(found: dict[str, Any], exclusive: bool) -> str:
    if found["limit"] is None:
        return _everything(found, "all classes" if exclusive else "all labels")
    what = "the right class" if exclusive else "all the right labels"
    return (
        f"Sets that are to hold {what} in {100 * found['level']:g}% of cases hold {_share(found['coverage'])} on the "
        f"holdout, with {found['size']['mean']:.2f} of {found['classes']} {'classes' if exclusive else 'labels'} on "
        f"average; {100 * found['single']:.0f}% have one. {_PROMISE}"
    )


def _told_range(found: dict[str, Any]) -> str:
    if found["limit"] is None:
        return _everything(found, "all numbers")
    return (
        f"Ranges of ±{found['limit']:.3g} that are to hold the number in {100 * found['level']:g}% of cases hold "
        f"{_share(found['coverage'])} on the holdout. {_PROMISE}"
    )


def _everything(found: dict[str, Any], what: str) -> str:
    few = f"{found['examples']} examples in cross-validation are too few, {found['least']} is the least"
    return f"To be right in {100 * found['level']:g}% of cases a set would have to hold {what}: {few}."


def _share(found: dict[str, float]) -> str:
    return f"{100 * found['mean']:.1f}% ({100 * found['low']:.1f} to {100 * found['high']:.1f})"


def _covered(certain: Certainty, held: np.ndarray, groups: Sequence[str] | None, level: float) -> dict[str, Any]:
    limit, examples = guard.threshold(certain.scores, level), len(certain.scores)
    coverage = _plain(guard.interval(held.astype(float), groups, level))
    known = {"level": level, "examples": examples, "coverage": coverage}
    return known | {"limit": limit if np.isfinite(limit) else None, "least": guard.least(level)}


def _plain(found: Interval) -> dict[str, float]:
    return {"mean": found.mean, "low": found.low, "high": found.high}
