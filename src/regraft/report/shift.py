"""The page of what `regraft shift` found."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import UserError
from regraft.report._svg import Figure, Scale, line, mark, number, tag, text
from regraft.report.contents import Drawing
from regraft.report.html import page, write
from regraft.report.pictures import Example, seen
from regraft.report.tables import Cell, Table

_LISTED = 20
"""Columns that are listed; the rest is counted."""
_COLOURS = ("c0", "c1")
_HEAD = ("", "Distance", "By chance", "p", "Holm")


@dataclass(frozen=True)
class Contents:
    """What the page says; tables of what was not measured are None."""

    title: str
    found: bool
    sentence: str
    rest: str
    facts: tuple[tuple[str, str, str], ...]
    tests: Table
    classes: Table | None
    shares: Table | None
    columns: Table | None
    drawn: Drawing
    moved: tuple[tuple[str, tuple[Example, ...]], ...]
    large: bool
    read: tuple[tuple[str, str], ...]


def render(folder: Path) -> Path:
    """Write ``report.html`` beside ``shift.json``, from it alone.

    Raises:
        UserError: the folder cannot be written.
    """
    found = json.loads((folder / "shift.json").read_text(encoding="utf-8"))
    write(folder, {"report.html": page("shift.html", _contents(found)).encode()})
    return folder / "report.html"


def _contents(found: dict[str, Any]) -> Contents:
    names = [Path(domain).name for domain in found["domains"]]
    first, _, rest = found["sentence"].partition(". ")
    moved = tuple((name, _examples(found, side)) for side, name in enumerate(names))
    return Contents(
        title=f"{names[0]} and {names[1]}", found=found["differs"], sentence=f"{first.removesuffix('.')}.", rest=rest,
        facts=_facts(found, names), tests=_tests(found["divergences"]),
        classes=_classes(found["classes"], names) if found["classes"] else None,
        shares=_shares(found["labels"], names) if found["labels"] else None,
        columns=_columns(found["columns"]) if found["columns"] else None,
        drawn=Drawing("map", _CAPTION.format(*names, 100 * found["explained"], found["components"]),
                      _map(found["map"], found["examples"][0], names)),
        moved=moved, large=any(not one.small for _, examples in moved for one in examples), read=_read(found, names),
    )  # fmt: skip


_CAPTION = (
    "Round dots: {0}; squares: {1}. Two principal components of both. The distances are taken in {3}, which hold "
    "{2:.0f}% of the variance."
)


def _facts(found: dict[str, Any], names: list[str]) -> tuple[tuple[str, str, str], ...]:
    facts = [(name, f"{count:,}", "examples compared") for name, count in zip(names, found["examples"], strict=True)]
    if found["conditional"]:
        of = found["conditional"]
        facts.append((f"Accuracy on {names[1]}", f"{100 * of['foreign']:.1f}%", f"by a classifier of {names[0]}"))
        facts.append((f"Accuracy on {names[1]}", f"{100 * of['own']:.1f}%", "by one of its own, cross-validated"))
    least = found["detectable"]
    seen_ = "none that was tried" if least is None else f"{100 * least:.2g}%"
    facts.append(("Smallest move to be seen", seen_, "of the spread, 4 times of 5"))
    return tuple(facts)


def _tests(rows: list[dict[str, Any]]) -> Table:
    cells = [
        (Cell(row["name"].replace("_", " ")), Cell("", plot=_against(row, 0.0)), *_numbers(row))
        for row in sorted(rows, key=lambda row: (row["p"], row["name"]))
    ]
    caption = (
        "Distances (marks) and what 95 of 100 random divisions of all examples stay below (grey). Holm: p-values "
        "adjusted for how many there are."
    )
    return Table(
        caption, ("Divergence", "", "Distance", "By chance", "p", "Holm"), tuple(cells), frozenset({2, 3, 4, 5})
    )


def _classes(rows: list[dict[str, Any]], names: list[str]) -> Table:
    most = max(row["value"] for row in rows)
    cells = [
        (
            Cell(row["name"], f"{row['examples'][0]} and {row['examples'][1]}"),
            Cell("", plot=_against(row, most)),
            *_numbers(row),
        )
        for row in sorted(rows, key=lambda row: (row["p"], -row["value"]))
    ]
    caption = f"Energy distance of each class in {names[0]} from its namesake in {names[1]}."
    return Table(caption, ("Class", *_HEAD), tuple(cells), frozenset({2, 3, 4, 5}))


def _numbers(row: dict[str, Any]) -> tuple[Cell, ...]:
    distances = (Cell(f"{row[name]:.3g}") for name in ("value", "chance"))
    return (*distances, *(Cell(f"{row[name]:.3f}") for name in ("p", "adjusted")))


def _against(row: dict[str, Any], most: float) -> Figure:
    """The distance on a line from zero to ``most``, or as far as needed, with what chance reaches in grey."""
    scale = Scale(0.0, max(row["value"], row["chance"], most, 1e-300), 3, 97)
    wide = f"{number(scale.share(row['chance']) - scale.share(0.0))}%"
    sure = row["adjusted"] < 0.05
    parts = [
        line(("0%", "100%"), (11, 11), "rule"),
        tag("rect", x=scale(0.0), width=wide, y=5, height=12, class_="band"),
        mark("diamond" if sure else "circle", scale(row["value"]), 11, f"{'full hurts' if sure else 'hollow soft'}"),
    ]
    return Figure("".join(parts), f"{row['value']:.3g}, by chance up to {row['chance']:.3g}", 22)


def _shares(labels: dict[str, Any], names: list[str]) -> Table:
    rows = zip(labels["names"], labels["shares"], strict=True)
    cells = tuple((Cell(name), Cell(f"{100 * x:.1f}%"), Cell(f"{100 * y:.1f}%")) for name, (x, y) in rows)
    how = f"those of {names[1]} estimated from a classifier's answers" if labels["estimated"] else "as labelled"
    return Table(f"Shares of the classes, {how}; p = {labels['p']:.3g} if they are the same.",
                 ("Class", *names), cells, frozenset({1, 2}))  # fmt: skip


def _columns(rows: list[dict[str, Any]]) -> Table:
    cells = tuple(
        (Cell(row["name"]), Cell(f"{row['value']:.3f}"), Cell(f"{row['p']:.3g}"), Cell(f"{row['adjusted']:.3g}"))
        for row in rows[:_LISTED]
    )
    more = f" The first {_LISTED} of {len(rows)}." if len(rows) > _LISTED else ""
    caption = f"Largest difference of the cumulative shares (Kolmogorov and Smirnov), column by column.{more}"
    return Table(caption, ("Column", "Difference", "p", "Holm"), cells, frozenset({1, 2, 3}))


def _map(points: list[tuple[float, float]], n: int, names: list[str]) -> Figure:
    places = np.asarray(points, dtype=float)
    low, span = places.min(0), max(float(np.ptp(places, axis=0).max()), 1e-9)
    places = 12 + 296 * (places - low) / span
    height = float(places[:, 1].max()) + 12
    parts = []
    for rows, colour, end in ((places[:n], _COLOURS[0], "round"), (places[n:], _COLOURS[1], "square")):
        dots = "".join(f"M{number(round(x, 1))} {number(round(y, 1))}h.01" for x, y in rows)
        drawn = tag("path", d=dots, class_="line", stroke_width=4, stroke_linecap=end, opacity=0.6)
        parts.append(tag("g", drawn, style=f"color:var(--{colour})"))
    middles = [np.median(rows, axis=0) for rows in (places[:n], places[n:])]
    if abs(middles[0][1] - middles[1][1]) < 20:  # one name above the other
        upper = int(middles[1][1] < middles[0][1])
        middles[upper] = middles[1 - upper] * (0, 1) + middles[upper] * (1, 0) - (0, 20)
    for (x, y), name, colour in zip(middles, names, _COLOURS, strict=True):
        middle = text(name, min(max(float(x), 40), 280), float(y) + 4, "halo", "middle")
        parts.append(tag("g", middle, style=f"color:var(--{colour})"))
    label = f"Map of {n} examples of {names[0]} and {len(places) - n} of {names[1]}"
    return Figure("".join(parts), label, height, (320, height))


def _examples(found: dict[str, Any], side: int) -> tuple[Example, ...]:
    examples = []
    for row in found["moved"][side]:
        try:
            thumbnail, sound = seen(found["kind"], row["item"], Path(found["domains"][side]))
        except (UserError, OSError, ValueError):  # it moved away since
            continue
        examples.append(Example(row["item"], row["label"], "", "", row["score"], thumbnail, sound))
    return tuple(examples)


def _read(found: dict[str, Any], names: list[str]) -> tuple[tuple[str, str], ...]:
    twice, known = found["duplicates"], found["names"]
    said = [("Compared by", found["backbone"] or "what is read, without a network")]
    said += [("Classes of both", ", ".join(known["both"]) or "none")] if known["both"] or known["first"] else []
    said += [
        (f"Only {name}", ", ".join(known[key]))
        for key, name in zip(("first", "second"), names, strict=True)
        if known[key]
    ]
    said += [("Skipped", f"{sum(found['skipped'])} that could not be read")] if sum(found["skipped"]) else []
    said += [("In both", f"{len(twice)} examples, the first: {twice[0]}")] if twice else []
    return tuple(said)
