"""Drawings of a fixed shape: the confusion matrix and the maps of features."""

import math
from collections.abc import Sequence

import numpy as np

from regraft.report._beside import Maps
from regraft.report._svg import Figure, Scale, line, number, tag, text, ticks
from regraft.report.figures import shorten

POINTS = 800
"""A map draws at most this many points; more hide each other and weigh a lot."""
_CELL, _COLOURS = 34, 10


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts (K, K), true class by predicted class; darker is a larger share of the row."""
    longest = max(len(shorten(name, 12)) for name in classes)
    margin, many = 26 + 8.0 * longest, len(classes)
    top = margin + 12 if longest > 2 else 44.0
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1e-9)
    parts = [text("predicted", margin + _CELL * many / 2, 13, "soft", "middle")]
    side = f"translate(12 {number(top + _CELL * many / 2)}) rotate(-90)"
    parts.append(tag("g", text("true", 0, 0, "soft", "middle"), transform=side))
    for row, name in enumerate(classes):
        centre = _CELL * (row + 0.5)
        parts.append(text(shorten(name, 12), margin - 7, top + centre + 4, "plain", "end"))
        spot = f"translate({number(margin + centre + 4)} {number(top - 7)})" + (" rotate(-90)" if longest > 2 else "")
        anchor = "start" if longest > 2 else "middle"
        parts.append(tag("g", text(shorten(name, 12), 0 if longest > 2 else -4, 0, "plain", anchor), transform=spot))
        for column in range(many):
            parts.append(_cell(counts[row, column], shares[row, column], (margin, top), (row, column)))
    right = float(np.trace(counts) / max(counts.sum(), 1e-9))
    label = f"Confusion matrix of {many} classes, {100 * right:.1f}% on the diagonal"
    return Figure("".join(parts), label, top + _CELL * many, (margin + _CELL * many + 2, top + _CELL * many + 2))


def _cell(count: float, share: float, corner: tuple[float, float], at: tuple[int, int]) -> str:
    row, column = at
    x, y = corner[0] + _CELL * column, corner[1] + _CELL * row
    # Mistakes are rare: the root makes them visible beside a diagonal near one.
    strength = round(0.08 + 0.8 * share, 2) if row == column else round(0.95 * math.sqrt(share), 2)
    kind = "glyph transfer" if row == column else "glyph hurts"
    size = _CELL - 2
    parts = [tag("rect", x=x, y=y, width=size, height=size, rx=4, class_="band")]
    if share > 0:
        parts.append(tag("rect", x=x, y=y, width=size, height=size, rx=4, class_=kind, fill_opacity=strength))
    if round(count) or row == column:
        shown = f"{count:.0f}" if count < 9999.5 else f"{count / 1000:.0f}k"
        parts.append(text(shown, x + size / 2, y + size / 2 + 4, "on" if strength > 0.55 else "plain", "middle"))
    return "".join(parts)


def features(points: Sequence[tuple[float, float]], maps: Maps, classes: Sequence[str], when: str) -> Figure:
    """A map of features; one letter names draw themselves, longer names stand at the middle of their points."""
    step = max(1, math.ceil(len(points) / POINTS))
    places, targets = np.asarray(points, dtype=float)[::step], np.asarray(maps.targets)[::step]
    low, span = places.min(0), np.maximum(places.max(0) - places.min(0), 1e-9).max()
    places = 12 + 296 * (places - low + (span - (places.max(0) - low)) / 2) / span
    single = all(len(name) == 1 for name in classes)
    parts, names = [], []
    for target in np.unique(targets):
        mine = places[targets == target]
        name = classes[target] if target < len(classes) else str(target)
        if single:
            xs, ys = (" ".join(number(value) for value in np.round(column, 1)) for column in np.add(mine.T, [[0], [4]]))
            body = tag(
                "text", _glyphs(name * len(mine)), x=xs, y=ys, class_="glyph", text_anchor="middle", font_size=11
            )
        else:
            dots = "".join(f"M{number(round(x, 1))} {number(round(y, 1))}h.01" for x, y in mine)
            body = tag("path", d=dots, class_="line", stroke_width=5, stroke_linecap="round", opacity=0.75)
            x, y = np.median(mine, axis=0)
            names.append(_name(shorten(name, 14), float(np.clip(x, 40, 280)), float(y) + 4))
        parts.append(tag("g", body, style=f"color:var(--c{int(target) % _COLOURS})"))
    near = f"{100 * together(points, maps.targets):.0f}% lie next to their own class"
    label = f"Map of {len(places)} holdout examples {when} transfer: {near}"
    return Figure("".join([*parts, *names]), label, 320, (320, 320))


def scatter(true: Sequence[float], predicted: Sequence[float] | np.ndarray) -> Figure:
    """Predictions (up) against true numbers (along), on one scale, with the line where they are the same."""
    step = max(1, math.ceil(len(true) / POINTS))
    pairs = np.column_stack([np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)])[::step]
    low, high = float(pairs.min()), float(pairs.max())
    scale = Scale(low, high, 44, 308) if high > low else Scale(low - 1, low + 1, 44, 308)
    parts = []
    for tick in ticks(scale.low, scale.high):
        at = scale.share(tick)
        parts += [line((44, 308), (352 - at, 352 - at), "rule"), text(f"{tick:g}", 38, 356 - at, "soft", "end")]
        parts.append(text(f"{tick:g}", at, 326, "soft", "middle"))
    parts.append(line((44, 308), (308, 44), "axis"))
    xs, ys = (np.array([scale.share(value) for value in column]) for column in pairs.T)
    dots = "".join(f"M{number(round(x, 1))} {number(round(352 - y, 1))}h.01" for x, y in zip(xs, ys, strict=True))
    dotted = tag("path", d=dots, class_="line transfer", stroke_width=5, stroke_linecap="round", opacity=0.6)
    parts += [dotted, text("true", 308, 342, "soft", "end"), text("predicted", 44, 32, "soft")]
    error = float(np.abs(np.subtract(true, predicted)).mean())
    label = f"Predicted against true numbers of {len(true)} holdout examples, mean absolute error {error:.3g}"
    return Figure("".join(parts), label, 350, (320, 350))


def _name(name: str, x: float, y: float) -> str:
    """A class name that stays legible on its points."""
    halo = "stroke:var(--paper);stroke-width:4px"
    return tag("text", _glyphs(name), x=x, y=y, text_anchor="middle", font_weight=650, paint_order="stroke", style=halo)


def _glyphs(content: str) -> str:
    return content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def together(points: Sequence[tuple[float, float]], targets: Sequence[int]) -> float:
    """Share of points of a map whose nearest other point is of their own class."""
    step = max(1, math.ceil(len(points) / POINTS))
    places, labels = np.asarray(points, dtype=float)[::step], np.asarray(targets)[::step]
    if len(places) < 2:
        return 1.0
    apart = ((places[:, None] - places[None]) ** 2).sum(2)
    np.fill_diagonal(apart, np.inf)
    return float((labels[apart.argmin(1)] == labels).mean())
