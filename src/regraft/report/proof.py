"""The two questions of a verdict, and how sure the kept model may sound, as tables."""

from regraft.report import figures, tables
from regraft.report._load import Folder
from regraft.report._records import Gain, Spread
from regraft.report._svg import Scale
from regraft.report.tables import Cell, Table

_ANSWERS = {"helps": "yes", "hurts": "no: it is worse", "undecided": "cannot tell"}
_FIGURES = {"calibration_error": ("Calibration error", True), "log_loss": ("Log loss", False)}


def questions(folder: Folder) -> Table | None:
    """Is this transfer better, trained again too; and is this very model better."""
    result, gauge = folder.result, folder.gauge
    if result.gain is None or result.model_gain is None or result.model_verdict is None:
        return None
    asked = (
        ("Is this transfer better?", "trained again, on other examples", result.gain, result.verdict),
        ("Is this very model better?", "as it is, on other examples", result.model_gain, result.model_verdict),
    )
    found = [0.0, *(end for _, _, gain, _ in asked for end in figures.ends(gain))]
    scale = Scale(min(found), max(found))
    rows = tuple(
        (Cell(what, when), _drawn(gain, scale, said), Cell(gauge.difference(gain.mean), _ends(gain, folder)),
         Cell(_ANSWERS[said]))
        for what, when, gain, said in asked
    )  # fmt: skip
    kept = f"If either is surely worse, or the first is open and below zero, the model {result.rival.against} is kept."
    caption = f"The first question makes the verdict. {kept}"
    return Table(caption, ("Question", "", f"Gain, {gauge.unit}", "Answer"), rows, frozenset({2}))


def _drawn(gain: Gain, scale: Scale, said: str) -> Cell:
    kind = "hollow soft" if said == "undecided" else f"full {said}"
    return Cell("", plot=figures.strip(gain, scale, "diamond", kind, zero=True))


def _ends(gain: Gain, folder: Folder) -> str:
    low, high = (folder.gauge.difference(end) for end in figures.ends(gain))
    return f"{low} to {high}"


def sure(folder: Folder) -> Table | None:
    """Probabilities before and after temperature scaling, and sets: asked and held."""
    calibration, sets, rows = folder.result.calibration, folder.result.sets, []
    for name, (title, percent) in _FIGURES.items():
        if name in calibration.before:
            both = [_shown(where.get(name), percent) for where in (calibration.before, calibration.after)]
            rows.append((Cell(title, "lower is better"), *both))
    if sets.coverage is not None and sets.limit is not None and sets.level is not None:
        size = "" if sets.size is None else f"; {sets.size.mean:.2f} in a set on average"
        rows.append((
            Cell("Sets" if sets.size else "Ranges", f"that are to hold the truth in {100 * sets.level:g}%"),
            Cell(""), Cell(f"{tables.value(sets.coverage)} held", tables.interval(sets.coverage) + size),
        ))  # fmt: skip
    head = ("On the holdout", "As trained", "As kept")
    caption = "The kept model, first seed. What was fitted was fitted by cross-validation on the training labels."
    return Table(caption, head, tuple(rows), frozenset({1, 2})) if rows else None


def _shown(spread: Spread | None, percent: bool) -> Cell:
    return Cell("the same") if spread is None else Cell(tables.value(spread, percent), tables.interval(spread, percent))
