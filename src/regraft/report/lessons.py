"""What a run learned beside its verdict, as tables: the outer folds, and what contributed."""

from functools import reduce

from regraft.report import figures
from regraft.report._load import Folder
from regraft.report._records import OuterFold, Spread
from regraft.report._svg import Scale
from regraft.report.tables import Cell, Table, begun, short


def outer(folder: Folder) -> Table | None:
    """What each outer fold chose and found; None where a holdout judged."""
    nested, gauge = folder.result.nested, folder.gauge
    changes = [(one.chosen or 0.0) - (one.scratch or 0.0) for one in nested.outer]
    if not nested.outer:
        return None
    scale = Scale(min(*changes, 0.0), max(*changes, 0.0))
    rows = []
    for one, change in zip(nested.outer, changes, strict=True):
        name = f"{one.fold}" if nested.repeats == 1 else f"{one.repeat}.{one.fold}"
        kind = "full helps" if change > 0 else "full hurts" if change < 0 else "hollow soft"
        plot = figures.strip(Spread(mean=change), scale, "diamond", kind, zero=True)
        took = Cell(one.method, short(one.source))
        reached = [Cell(_utility(folder, one, who)) for who in ("chosen", "scratch")]
        rows.append((Cell(name), Cell(f"{one.examples}"), took, *reached, Cell("", plot=plot),
                     Cell(gauge.difference(change))))  # fmt: skip
    chosen = len({(one.source, one.method) for one in nested.outer})
    caption = (
        f"Each fold was set aside, the whole choice made and both contestants trained without it, and then it judged "
        f"them. {'All folds took the same.' if chosen == 1 else f'The folds took {chosen} different candidates.'} "
        f"Single folds are small: the verdict pools them."
    )
    head = ("Fold", "Examples", "Taken", "Transfer", begun(folder.result.rival.name), "", f"Gain, {gauge.unit}")
    return Table(caption, head, tuple(rows), frozenset({1, 3, 4, 6}))


def contributions(folder: Folder) -> Table | None:
    """What the finalist gains by each of its parts, with intervals; None where that was not measured."""
    found, gauge = folder.result.contributions, folder.gauge
    ends = [end for one in found if one.gain for end in figures.ends(one.gain)]
    if not found:
        return None
    scale, rows = Scale(min(0.0, *ends), max(0.0, *ends)) if ends else Scale(0, 1), []
    for one in found:
        part = reduce(lambda said, source: said.replace(source.uri, short(source.uri)), folder.result.sources, one.part)
        if one.gain is None:
            rows.append((Cell(part), Cell(""), Cell(one.reason or "not measured")))
            continue
        low, high = figures.ends(one.gain)
        kind = "full helps" if low > 0 else "full hurts" if high < 0 else "hollow soft"
        plot = figures.strip(one.gain, scale, "diamond", kind, zero=True)
        shown = Cell(gauge.difference(one.gain.mean), f"{gauge.difference(low)} to {gauge.difference(high)}")
        rows.append((Cell(part), Cell("", plot=plot), shown))
    less = f" less {gauge.what}" if gauge.lower else f" of {gauge.what}"
    caption = (
        f"By how much the finalist is better than the same without a part: {gauge.unit}{less}, over the same seeds, "
        f"with intervals. Worked out on the holdout after the verdict; nothing was chosen by it."
    )
    return Table(caption, ("Without", "", "Contribution"), tuple(rows), frozenset({2}))


def _utility(folder: Folder, one: OuterFold, who: str) -> str:
    value, gauge = getattr(one, who), folder.gauge
    return "not measured" if value is None else gauge.size(-value if gauge.lower else value)
