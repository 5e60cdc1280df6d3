"""The report's drawings: numbers in, SVG out. Each has a label that says in words what it shows."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from regraft.core.baseline import Baseline
from regraft.core.gauge import CLASSES, Gauge
from regraft.report._records import Candidate, Gain, Point, Spread
from regraft.report._svg import Figure, Scale, line, mark, number, tag, text, ticks

_SHAPES = {"finalist": "diamond", "finished": "circle", "dropped": "square", "failed": "cross"}


def ends(spread: Spread) -> tuple[float, float]:
    """Low and high of the interval; the estimate itself where there is none."""
    return (
        spread.mean if spread.low is None else min(spread.low, spread.mean),
        spread.mean if spread.high is None else max(spread.high, spread.mean),
    )


def gain(found: Gain, outcome: tuple[str, Baseline], gauge: Gauge = CLASSES) -> Figure:
    """The gain on a line: zero, the interval, and in grey what is too small to be seen.

    ``outcome``: the verdict, and what the transfer was compared with.
    """
    verdict, rival = outcome
    low, high = (gauge.factor * value for value in ends(found))
    unseen = gauge.factor * (found.detectable or 0.0)
    left, right = min(low, 0.0, -unseen), max(high, 0.0, unseen)
    scale = Scale(left, right, 13, 87) if right > left else Scale(-1, 1, 13, 87)
    middle, mean = 66.0, gauge.factor * found.mean
    parts = [
        text(f"◂ {rival.name} is better", "0%", 14, "soft"),
        text("transfer is better ▸", "100%", 14, "soft", "end"),
    ]
    if unseen:
        wide = f"{number(scale.share(unseen) - scale.share(-unseen))}%"
        parts.append(tag("rect", x=scale(-unseen), width=wide, y=28, height=76, class_="band"))
    parts += [line(("0%", "100%"), (104, 104), "rule"), line((scale(0), scale(0)), (24, 104), "axis", 1.5)]
    parts += [text(f"{tick:+g}" if tick else "0", scale(tick), 122, "soft", "middle") for tick in ticks(left, right)]
    parts += [line((scale(low), scale(high)), (middle, middle), f"line {verdict}", 5)]
    parts += [line((scale(end), scale(end)), (middle - 8, middle + 8), f"line {verdict}", 2.5) for end in (low, high)]
    parts += [mark("diamond", scale(mean), middle, f"full {verdict}")]
    parts += [text(f"{mean:+.{gauge.places}f}", scale(mean), middle - 17, "big halo", "middle")]
    parts += [text(f"{low:+.{gauge.places}f}", scale(low), middle + 27, "halo", "end" if high > low else "middle")]
    parts += [text(f"{high:+.{gauge.places}f}", scale(high), middle + 27, "halo")] if high > low else []
    shown = [f"{value:+.{gauge.places}f}" for value in (mean, low, high)]
    change = "Reduction of" if gauge.lower else "Gain in"
    label = f"{change} {gauge.what} {shown[0]} {gauge.unit}, {100 * found.level:g}% interval {shown[1]} to {shown[2]} "
    label += gauge.unit
    seen = f"; gains below {unseen:.{gauge.places}f} {gauge.unit} are too small to be seen" if unseen else ""
    return Figure("".join(parts), label + seen, 128)


def versus(ours: Spread, theirs: Spread | None) -> Figure:
    """Two intervals under each other: the chosen model (diamond), scratch (square)."""
    rows = [(ours, "diamond", "full transfer")] + ([(theirs, "square", "hollow scratch")] if theirs else [])
    found = [end for spread, _, _ in rows for end in ends(spread)]
    scale = Scale(min(found), max(found), 4, 96)
    parts = []
    for place, (spread, shape, kind) in enumerate(rows):
        low, high = ends(spread)
        y = 11 + 16 * place
        colour = kind.split()[-1]
        parts.append(line((scale(low), scale(high)), (y, y), f"line {colour}", 3))
        parts.append(mark(shape, scale(spread.mean), y, kind))
    label = f"chosen {ours.mean:.3g}" + (f", baseline {theirs.mean:.3g}" if theirs else "")
    return Figure("".join(parts), label, 38 if theirs else 22)


def strip(
    value: Spread, scale: Scale, shape: str = "circle", kind: str = "full transfer", zero: bool = False
) -> Figure:
    """One value with its interval on a thin line, for a row of a table; perhaps with a mark at zero."""
    low, high = ends(value)
    scale = Scale(scale.low, scale.high, 4, 96)
    colour = kind.split()[-1]
    parts = [line((scale(0), scale(0)), (1, 21), "axis")] if zero and scale.low <= 0 <= scale.high else []
    parts += [line(("0%", "100%"), (11, 11), "rule"), line((scale(low), scale(high)), (11, 11), f"line {colour}", 3)]
    return Figure("".join([*parts, mark(shape, scale(value.mean), 11, kind)]), f"{low:.3g} to {high:.3g}", 22)


def candidate(entry: Candidate, scale: Scale, chosen: bool) -> Figure | None:
    """The score of one entry of the race; its shape says the outcome."""
    if entry.score is None:
        return None
    error = entry.error or 0.0
    value = Spread(mean=entry.score, low=entry.score - error, high=entry.score + error)
    alive = "hollow transfer" if entry.outcome in ("finalist", "finished") else "hollow scratch"
    kind = "full transfer" if chosen else alive
    return strip(value, scale, _SHAPES.get(entry.outcome, "circle"), kind)


def race_scale(entries: Sequence[Candidate]) -> Scale:
    """One scale for every entry of the race, errors included."""
    found = [(entry.score, entry.error or 0.0) for entry in entries if entry.score is not None]
    if not found:
        return Scale(0, 1)
    return Scale(min(score - error for score, error in found), max(score + error for score, error in found))


def race(entries: Sequence[tuple[str, Candidate, bool]]) -> Figure:
    """Every entry (name, entry, is chosen) with its score and seconds, as one drawing."""
    scale = race_scale([entry for _, entry, _ in entries])
    parts = []
    for place, (name, entry, chosen) in enumerate(entries):
        drawn, y = candidate(entry, scale, chosen), 30.0 * place
        parts.append(text(shorten(name, 44), 4, y + 15, "plain" if chosen else "soft"))
        if drawn:
            parts.append(tag("svg", drawn.body, x="46%", y=y, width="28%", height=22, overflow="visible"))
        cost = "" if entry.seconds is None else f"{entry.seconds:.1f} s"
        parts.append(text(cost, "85%", y + 15, "soft", "end"))
        parts.append(text("chosen" if chosen else entry.outcome, "87%", y + 15, "plain" if chosen else "soft"))
    return Figure("".join(parts), f"Scores, errors and seconds of {len(entries)} candidates", 30.0 * len(entries) + 4)


def curve(points: Sequence[Point], gauge: Gauge = CLASSES) -> Figure:
    """Utility against the number of labels on a logarithmic axis, for the chosen method and for scratch."""
    series = {
        name: [(point.labels_per_class, value) for point in points if (value := getattr(point, name))]
        for name in ("chosen", "scratch")
    }
    found = [end for values in series.values() for _, spread in values for end in ends(spread)]
    pad = max((max(found) - min(found)) * 0.08, 0.005)
    up = Scale(min(found) - pad, min(max(found) + pad, 1.0), 226, 22)
    counts = [point.labels_per_class for point in points]
    along = Scale(math.log(max(min(counts), 1)), math.log(max(max(counts), 1)), 12, 94)
    parts = []
    for tick in ticks(up.low, up.high):
        y = up.share(tick)
        parts += [line(("0%", "100%"), (y, y), "rule"), text(gauge.level(tick), "0%", y - 4, "soft")]
    parts += [text(str(count), along(math.log(max(count, 1))), 260, "soft", "middle") for count in counts]
    parts += [text(gauge.per, "100%", 280, "soft", "end")]
    for name, values in reversed(series.items()):
        if not values:
            continue
        places = [(along(math.log(max(count, 1))), up.share(spread.mean), spread) for count, spread in values]
        shape, colour = ("circle", "transfer") if name == "chosen" else ("square", "scratch")
        shift = -13 if name == _upper(points[0]) else 23
        parts.append(text(colour, places[0][0], places[0][1] + shift, "soft"))
        for (x, y, _), (x2, y2, _) in pairwise(places):
            parts.append(line((x, x2), (y, y2), f"line {colour}", 2.5))
        for x, y, spread in places:
            low, high = (up.share(end) for end in ends(spread))
            parts += [line((x, x), (low, high), f"line {colour}", 1.5)] if low != high else []
            parts.append(mark(shape, x, y, f"{'full' if name == 'chosen' else 'hollow'} {colour}"))
    return Figure("".join(parts), f"{gauge.title} against {gauge.per}; {_said(series, gauge)}", 286)


def _said(series: Mapping[str, Sequence[tuple[int, Spread]]], gauge: Gauge) -> str:
    """The lines of the curve in words."""
    sign = -1 if gauge.lower else 1
    lines = {name: ", ".join(f"{sign * s.mean:.3f} at {n}" for n, s in values) for name, values in series.items()}
    return "; ".join(f"{name}: {line}" for name, line in lines.items())


def _upper(point: Point) -> str:
    """Which of the two lines starts higher, so that its name can stand above it."""
    ours, theirs = (spread.mean if spread else -math.inf for spread in (point.chosen, point.scratch))
    return "chosen" if ours >= theirs else "scratch"


def shorten(name: str, limit: int) -> str:
    """The name in ``limit`` letters; its middle is left out, as names of one kind differ at their ends."""
    tail = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[: limit - 1 - tail]}…{name[-tail:]}"
