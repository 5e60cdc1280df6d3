"""The report's tables and facts as text; a cell may carry a small drawing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regraft.core.labels import Labels
from regraft.core.records import PASSED_OVER
from regraft.report import figures
from regraft.report._load import Folder
from regraft.report._records import Candidate, Pair, Spread, Taken
from regraft.report._svg import Figure, Scale

_METRICS = {  # field: (name, which way is better, written as a percentage)
    "accuracy": ("Accuracy", "higher is better", True),
    "mean_average_precision": ("Mean average precision", "higher is better", True),
    "example_f1": ("F1 per example", "higher is better", True),
    "micro_f1": ("Micro F1", "higher is better", True),
    "macro_f1": ("Macro F1", "higher is better", True),
    "log_loss": ("Log loss", "lower is better", False),
    "calibration_error": ("Calibration error", "lower is better", True),
    "mae": ("Mean absolute error", "lower is better", False),
    "rmse": ("Root mean squared error", "lower is better", False),
    "r2": ("Share of variance explained", "higher is better", False),
    "spearman": ("Rank correlation", "higher is better", False),
}
PAIRS = 8
"""Confused pairs that are listed."""


@dataclass(frozen=True)
class Cell:
    """Text of a table's cell; ``note`` is said smaller, ``plot`` stands above."""

    text: str
    note: str = ""
    plot: Figure | None = None


@dataclass(frozen=True)
class Table:
    """``numeric``: columns that are set flush right. ``strong``: the row to point out."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    strong: int | None = None


def value(spread: Spread | None, percent: bool = True) -> str:
    """An estimate: 95.7%, or 0.347."""
    if spread is None or not np.isfinite(spread.mean):
        return "not measured"
    return f"{100 * spread.mean:.1f}%" if percent else f"{spread.mean:.3f}"


def interval(spread: Spread | None, percent: bool = True) -> str:
    """The ends of the interval: 94.1 to 96.8; empty where there is none."""
    if spread is None or spread.low is None or spread.high is None:
        return ""
    return f"{100 * spread.low:.1f} to {100 * spread.high:.1f}" if percent else f"{spread.low:.3f} to {spread.high:.3f}"


def seconds(given: float | None) -> str:
    """A time that is easy to compare: 4.2 s, 74 s, 5 min 10 s."""
    if given is None:
        return "not measured"
    if given < 100:
        return f"{given:.1f} s" if given < 10 else f"{given:.0f} s"
    return f"{int(round(given) // 60)} min {round(given) % 60} s"


def label(source: str, method: str) -> str:
    """A method by its name and what it started from."""
    return f"{method} from {short(source)}" if source else method


def short(source: str) -> str:
    """A source with no more than one folder of each of its files; the table of sources has all."""
    return re.sub(r"(^|[:@])/?([^/@:]+/)+(?=[^/@]+/[^/@]+/?(@|$))", r"\1…/", source)


def metrics(folder: Folder) -> Table | None:
    """The chosen model against scratch."""
    result, rows = folder.result, []
    names = [name for name in _METRICS if name in result.metrics]
    for name in [*names, *sorted(set(result.metrics) - set(_METRICS))]:
        title, way, percent = _METRICS.get(name, (name.replace("_", " "), "", False))
        ours, theirs = result.metrics[name], result.baseline.get(name)
        cells = [Cell(value(one, percent), interval(one, percent)) for one in (ours, theirs)]
        rows.append((Cell(title, way), Cell("", plot=figures.versus(ours, theirs)), *cells))
    name = result.rival.name
    other = "the same budget from scratch" if result.against == "scratch" else f"{name} as it is"
    where = "In the outer folds" if result.nested.outer else "On the holdout"
    caption = f"{where}: the chosen transfer (filled diamond) and {other} (hollow square)."
    return Table(caption, ("Metric", "", "Transfer", begun(name)), tuple(rows), frozenset({2, 3})) if rows else None


def begun(words: str) -> str:
    """The words with a capital letter, to begin with."""
    return words[:1].upper() + words[1:]


def ranking(folder: Folder) -> Table | None:
    """Sources by their scores before any training."""
    entries = sorted(folder.result.ranking, key=lambda entry: entry.rank)
    names = list(dict.fromkeys(name for entry in entries for name in entry.scores))
    if not entries:
        return None
    rows = []
    tied = {entry.rank for entry in entries if sum(other.rank == entry.rank for other in entries) > 1}
    scales = {name: _scale([entry.scores[name] for entry in entries if name in entry.scores]) for name in names}
    for entry in entries:
        cells = [Cell(f"{entry.rank}{' (tie)' if entry.rank in tied else ''}. {short(entry.source)}")]
        for name in names:
            score = entry.scores.get(name)
            known = score is not None and np.isfinite(score.mean)
            plot = figures.strip(score, scales[name], "circle", "full soft") if known and score else None
            unknown = Cell("not measured")
            cells.append(Cell(f"{score.mean:.3f}", interval(score, False), plot) if known and score else unknown)
        rows.append(tuple(cells))
    caption = "How well each source's features, and its head as it is, fit the target before training. Both vote."
    return Table(caption, ("Source", *(name.replace("_", " ") for name in names)), tuple(rows))


def _scale(scores: Sequence[Spread]) -> Scale:
    found = [end for score in scores if np.isfinite(score.mean) for end in figures.ends(score)]
    return Scale(min(found), max(found)) if found else Scale(0, 1)


def raced(folder: Folder) -> list[tuple[Candidate, bool]]:
    """Entries of the race that have a score, best first, and whether each is the chosen one."""
    chosen = (folder.result.chosen.source, folder.result.chosen.method)
    scored = [entry for entry in folder.result.candidates if entry.score is not None]
    return [
        (entry, (entry.source, entry.method) == chosen) for entry in sorted(scored, key=lambda e: -(e.score or 0.0))
    ]


def race(folder: Folder) -> Table | None:
    """What was tried, how well it did and what it cost."""
    entries, rows = raced(folder), []
    scale = figures.race_scale([entry for entry, _ in entries])
    share = not folder.result.rule and all(0 <= (entry.score or 0.0) <= 1 for entry, _ in entries)
    for entry, chosen in entries:
        error = "" if entry.error is None else f"± {100 * entry.error:.1f}" if share else f"± {entry.error:.3f}"
        error += f", {entry.folds} fold{'s' * (entry.folds > 1)}" if entry.folds else ""
        score = Spread(mean=entry.score or 0.0)
        outcome = "chosen" if chosen else entry.outcome
        rows.append((
            Cell(entry.method, short(entry.source)), Cell("", plot=figures.candidate(entry, scale, chosen)),
            Cell(value(score, share), error), Cell(seconds(entry.seconds)), Cell(outcome, entry.reason),
        ))  # fmt: skip
    by = "Cross-validated on the training labels alone, with standard errors; two are compared on the folds of both"
    if rule := folder.result.rule:
        by = f"Scored without any label of the target, by the selector {rule}"
    caption = f"{by}. Diamond: finalist; circle: finished the race; square: dropped. The filled one was chosen."
    caption += " Scores are minus the mean absolute error, in standard deviations." if folder.gauge.lower else ""
    strong = next((place for place, (_, chosen) in enumerate(entries) if chosen), None)
    head = ("Candidate", "", "Score", "Cost", "Outcome")
    return Table(caption, head, tuple(rows), frozenset({2, 3}), strong) if rows else None


def hindsight(folder: Folder) -> Table | None:
    """What each selector that reads no label of the target would have taken, beside the best by the holdout."""
    seen, gauge = folder.result.hindsight, folder.gauge
    if not seen.selectors:
        return None
    rows = [_taken(seen.oracle, "oracle", "those of the holdout", Cell("0.0"), Cell(""))]
    for one in seen.selectors:
        regret = Cell("" if one.regret is None else gauge.size(one.regret))
        rank = Cell("" if one.correlation is None else f"{one.correlation:.2f}")
        rows.append(_taken(one, one.selector.replace("_", " "), one.labels, regret, rank))
    names = ["oracle", *(one.selector for one in seen.selectors)]
    strong = names.index(folder.result.rule) if folder.result.rule in names else None
    caption = (
        f"Hindsight, worked out after the verdict: which of the {seen.compared} transfers that the race trained each "
        f"selector would have taken, and the {gauge.what} of that model on the holdout. The oracle takes the best by "
        f"the labels that it is judged by, so it is a little too good; nothing was chosen by this table. Bold: the one "
        f"that decided."
    )
    head = ("Selector", "Labels it reads", "Would have taken", gauge.title, f"Regret, {gauge.unit}", "Rank correlation")
    return Table(caption, head, tuple(rows), frozenset({3, 4, 5}), strong)


def _taken(one: Taken, name: str, labels: str, regret: Cell, rank: Cell) -> tuple[Cell, ...]:
    found = Cell("") if one.utility is None else Cell(value(Spread(mean=one.utility)))
    took = Cell(one.method, short(one.source)) if one.method else Cell("cannot compare them", one.reason)
    return Cell(name), Cell(labels), took, found, regret, rank


def left_out(folder: Folder) -> Table | None:
    """What did not run, or did not end, and why."""
    found: list[tuple[Pair, str]] = [
        (entry, f"{entry.outcome}: {entry.reason}" if entry.reason else entry.outcome)
        for entry in folder.result.candidates
        if entry.score is None and entry.reason != PASSED_OVER
    ]
    found += [(entry, entry.reason) for entry in folder.result.left_out]
    passed: dict[str, list[str]] = {}
    for entry in folder.result.candidates:
        if entry.reason == PASSED_OVER:
            passed.setdefault(entry.source, []).append(entry.method)
    rows = tuple((Cell(entry.method, short(entry.source)), Cell(reason)) for entry, reason in found)
    rows += tuple((Cell(", ".join(names), short(uri)), Cell(PASSED_OVER)) for uri, names in passed.items())
    return Table("What has no score, and why.", ("Method", "Reason"), rows) if rows else None


def confusion(folder: Folder) -> np.ndarray | None:
    """Counts (K, K), true class by answer, averaged over seeds."""
    if folder.holdout is None or folder.chosen is None or not folder.holdout.targets:
        return None
    many, targets = len(folder.holdout.classes), np.asarray(folder.holdout.targets, dtype=int)
    cells = (targets[None] * many + folder.chosen.argmax(2)).ravel()
    return np.bincount(cells, minlength=many * many).reshape(many, many) / len(folder.chosen)


def pairs(counts: np.ndarray, classes: Sequence[str]) -> Table | None:
    """The pairs that are most often taken for each other."""
    wrong = counts * (1 - np.eye(len(counts)))
    order = [int(place) for place in np.argsort(-wrong, axis=None, kind="stable")[:PAIRS] if wrong.flat[place] > 0]
    rows = []
    for place in order:
        true, answer = divmod(place, len(classes))
        share = wrong[true, answer] / counts[true].sum()
        taken = f"{wrong[true, answer]:.1f} of {counts[true].sum():.0f}"
        rows.append((Cell(classes[true]), Cell(classes[answer]), Cell(taken, f"{100 * share:.1f}%")))
    caption = "Most frequent mistakes, counts averaged over seeds."
    return Table(caption, ("True", "Taken for", "Examples"), tuple(rows), frozenset({2})) if rows else None


def labels(folder: Folder) -> Table | None:
    """The figures of each class, or label of a set, the worst first; None where examples have numbers."""
    if folder.gauge.labels is Labels.CLASSES:
        return _classes(folder)
    rows = []
    for one in sorted(folder.result.labels, key=lambda one: one.chosen.get("average_precision") or 0.0):
        found = [_share(who.get(name)) for name in ("average_precision", "f1") for who in (one.chosen, one.scratch)]
        rows.append((Cell(one.label), Cell(f"{one.holdout:,}"), *found))
    head = ("Label", "Holdout", "Precision", "Scratch", "F1", "Scratch F1")
    caption = "Average precision and F1 of each label, means over seeds; the label that is found worst comes first."
    return Table(caption, head, tuple(rows), frozenset(range(1, 6))) if rows else None


def _classes(folder: Folder) -> Table | None:
    found = sorted(((one, one.gain) for one in folder.result.labels if one.gain), key=lambda pair: pair[1].mean)
    if not found:
        return None
    low, high = (pick(end[i] for end in (figures.ends(g) for _, g in found)) for i, pick in enumerate((min, max)))
    least = 1 - (folder.result.gain.level if folder.result.gain else 0.95)
    rows = []
    for one, gain in found:
        p = 1.0 if one.adjusted is None else one.adjusted
        kind = ("full helps" if gain.mean > 0 else "full hurts") if p < least else "hollow soft"
        both = [_share(who.get("accuracy")) for who in (one.chosen, one.scratch)]
        plot = Cell("", plot=figures.strip(gain, Scale(min(low, 0), max(high, 0)), "diamond", kind, zero=True))
        change = Cell(f"{100 * gain.mean:+.1f}", interval(gain))
        rows.append((Cell(one.label), Cell(f"{one.holdout:,}"), *both, plot, change, Cell(f"{p:.3f}")))
    head = ("Class", "Holdout", "Transfer", begun(folder.result.rival.name), "", "Gain, points", "p (Holm)")
    caption = "Accuracy on each class, means over seeds; the class that loses most comes first."
    return Table(caption, head, tuple(rows), frozenset({1, 2, 3, 5, 6}))


def _share(value: float | None) -> Cell:
    return Cell("none" if value is None else f"{100 * value:.1f}%")


def counts(folder: Folder) -> Table | None:
    """Examples per class in training and holdout."""
    data = folder.result.data
    names = data.classes or sorted({*data.train, *data.holdout} if folder.gauge.labels is Labels.CLASSES else ())
    rows = [(Cell(n), Cell(f"{data.train.get(n, 0):,}"), Cell(f"{data.holdout.get(n, 0):,}")) for n in names]
    total = (Cell("all"), Cell(f"{data.learned:,}"), Cell(f"{data.judged:,}"))
    head = (folder.gauge.labels.one.capitalize(), "Training", "Holdout")
    several = " One may have several labels, or none." if folder.gauge.labels is Labels.SETS else ""
    return Table(f"Labelled examples.{several}", head, (*rows, total), frozenset({1, 2}), len(rows)) if rows else None


def sources(folder: Folder) -> Table | None:
    """What was read of each source, a fact a row."""
    rows: list[tuple[Cell, ...]] = []
    for source in folder.result.sources:
        size = {} if source.parameters is None else {"parameters": f"{source.parameters:,}"}
        facts = {**source.understood, **size} or {"": "nothing noted"}
        names = [Cell(source.uri, source.kind), *(Cell("") for _ in range(len(facts) - 1))]
        rows += [(name, Cell(key), Cell(what)) for name, (key, what) in zip(names, facts.items(), strict=True)]
    caption = "Sources, and how they were understood."
    return Table(caption, ("Source", "Fact", "Found"), tuple(rows)) if rows else None
