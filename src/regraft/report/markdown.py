"""The report as Markdown, and the comparison of several runs."""

import re
from collections.abc import Sequence
from pathlib import Path

from regraft.core.errors import UserError
from regraft.report import tables
from regraft.report._load import Folder, load
from regraft.report.contents import Contents, Drawing
from regraft.report.pictures import Group, sheet
from regraft.report.tables import Cell, Table


def markdown(contents: Contents) -> tuple[str, dict[str, bytes]]:
    """The text, and the files in ``figures/`` that it shows, by name."""
    found = [item for item in (contents.gain, contents.curve, contents.race_drawing, contents.confusion) if item]
    drawings = {f"{item.name}.svg": item.figure.file().encode() for item in (*found, *contents.maps)}
    drawings |= {f"{_slug(group.name)}.png": sheet(group) for group in contents.groups if group.drawn}
    parts = [*_opening(contents), *_choice(contents), *_mistakes(contents), *_maps(contents)]
    parts += [*_reading(contents), *_closing(contents)]
    return "\n\n".join(part for part in parts if part) + "\n", drawings


def compare(runs: Sequence[Path]) -> str:
    """The runs side by side, as a Markdown table.

    Raises:
        UserError: there are no runs, or a folder is not a run or is damaged.
    """
    if not runs:
        raise UserError("there is nothing to compare; give one or more run folders")
    folders = [load(run) for run in runs]
    gauge, alike = folders[0].gauge, len({folder.gauge for folder in folders}) == 1
    found, gain = (gauge.title, f"Gain, {gauge.unit}") if alike else ("Result", "Gain")
    head = ("Run", "Target", "Chosen", found, "Baseline", gain, "Verdict", "Time")
    rows = tuple(tuple(Cell(text) for text in _row(folder, not alike)) for folder in folders)
    return _table(Table("", head, rows, frozenset({3, 4, 5, 7}))) + "\n"


def _row(folder: Folder, units: bool) -> tuple[str, ...]:
    result, gain = folder.result, folder.result.gain
    gauge = folder.gauge
    found = (where.get(gauge.metric) for where in (result.metrics, result.baseline))
    ours, theirs = (tables.value(one, not gauge.lower) + (f" ({gauge.what})" if units else "") for one in found)
    change = "not measured" if gain is None else gauge.difference(gain.mean)
    if gain is not None and gain.low is not None and gain.high is not None:
        change += f" ({gauge.difference(gain.low)} to {gauge.difference(gain.high)})"
    change += f" {gauge.unit}" if gain is not None and units else ""
    chosen = tables.label(result.chosen.source, result.chosen.method)
    verdict = "cannot tell" if result.verdict == "undecided" else result.verdict
    return folder.name, result.data.target, chosen, ours, theirs, change, verdict, tables.seconds(result.seconds)


def _opening(contents: Contents) -> list[str]:
    facts = "\n".join(
        f"- {safe(name)}: **{safe(value)}** {safe(note)}".rstrip() for name, value, note in contents.facts
    )
    bracket = f" {safe(contents.sentence[1])}" if contents.sentence[1] else ""
    curve = [f"## {contents.curve_title}", _drawing(contents.curve), safe(contents.worth)] if contents.curve else []
    asked = ["## Two questions", _table(contents.questions), safe(contents.needed)] if contents.questions else []
    return [
        f"# {contents.sign} {contents.word}: {safe(contents.title)}",
        f"**{safe(contents.sentence[0])}**{bracket}", safe(contents.kept), _drawing(contents.gain), facts,
        f"## Transfer against {contents.rival}" if contents.metrics else "", _table(contents.metrics),
        safe(contents.tests), "## Fold by fold" if contents.outer else "", _table(contents.outer),
        "## What contributed" if contents.contributions else "", _table(contents.contributions), *asked, *curve,
    ]  # fmt: skip


def _choice(contents: Contents) -> list[str]:
    title = "## How it was chosen" if contents.ranking or contents.race or contents.left_out else ""
    tabled = (_table(table) for table in (contents.race, contents.hindsight, contents.left_out))
    return [title, _table(contents.ranking), _drawing(contents.race_drawing), safe(contents.why), *tabled]


def _mistakes(contents: Contents) -> list[str]:
    sure = ["## How sure it may sound", _table(contents.sure), *map(safe, contents.doubts)]
    return [
        *(sure if contents.sure or contents.doubts else ()),
        f"## {contents.labels.head[0]} by {contents.labels.head[0].lower()}" if contents.labels else "",
        _table(contents.labels),
        "## Where it errs" if contents.pairs or contents.confusion else "", _drawing(contents.confusion),
        _table(contents.pairs),
        "## Examples" if contents.groups else "", *(_group(group) for group in contents.groups),
        "Some examples could not be read any more and are left out." if contents.missing else "",
    ]  # fmt: skip


def _maps(contents: Contents) -> list[str]:
    return ["## Features before and after" if contents.maps else "", *(_drawing(drawing) for drawing in contents.maps)]


def _group(group: Group) -> str:
    answers = [f"{safe(one.true)} as {safe(one.answer)} ({100 * one.sure:.0f}%)" for one in group.examples]
    if group.examples and not group.drawn:
        said = (f"- {safe(one.item[:240])}: {answer}" for one, answer in zip(group.examples, answers, strict=True))
        return f"**{group.name}**, {group.total:,} in all; {group.meaning}.\n\n" + "\n".join(said)
    shown = f"![{safe(group.name)}](figures/{_slug(group.name)}.png)" if group.examples else "None to show."
    return f"**{group.name}**, {group.total:,} in all; {group.meaning}.\n\n{shown}\n\n{', '.join(answers)}".rstrip()


def _reading(contents: Contents) -> list[str]:
    facts = "\n".join(f"- {safe(name)}: {safe(value)}" for name, value in contents.reading)
    skipped = "\n".join(f"- skipped {safe(path)}: {safe(why)}".rstrip(": ") for path, why in contents.skipped)
    labels = "\n".join(f"- {safe(line)}" for line in contents.labels_read)
    read = [facts, skipped, _table(contents.counts), _table(contents.sources)]
    return ["## What was read", *read, "Labels that were read:" if labels else "", labels]


def _closing(contents: Contents) -> list[str]:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", contents.command)), default=0))
    command = f"## Repeat it\n\n{fence}\n{' '.join(contents.command.split())}\n{fence}" if contents.command else ""
    cited = "\n".join(f"- {safe(method)}: {safe(reference)}" for method, reference in contents.citations)
    environment = "\n".join(f"- {safe(name)}: {safe(value)}" for name, value in contents.environment)
    return [
        "## What was not tested", "\n".join(f"- **{name}** {safe(text)}" for name, text in contents.untested), command,
        f"### Environment\n\n{environment}" if environment else "", f"## Methods used\n\n{cited}" if cited else "",
    ]  # fmt: skip


def _drawing(drawing: Drawing | None) -> str:
    if drawing is None:
        return ""
    return f"![{safe(drawing.figure.label)}](figures/{drawing.name}.svg)\n\n{safe(drawing.caption)}"


def _table(table: Table | None) -> str:
    if table is None:
        return ""
    shown = [place for place, _ in enumerate(table.head) if any(row[place].text for row in table.rows)]
    rows = [[safe(" ".join(filter(None, _words(row[place])))) for place in shown] for row in table.rows]
    if table.strong is not None:
        rows[table.strong] = [f"**{cell}**" if cell else "" for cell in rows[table.strong]]
    rule = ["---:" if place in table.numeric else "---" for place in shown]
    lines = [[table.head[place] for place in shown], rule, *rows]
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{safe(table.caption)}\n\n{body}" if table.caption else body


def _words(cell: Cell) -> tuple[str, str]:
    return cell.text, f"({cell.note})" if cell.note else ""


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def safe(text: str) -> str:
    """The text on one line, with what Markdown or HTML would read as markup made plain."""
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", " ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")
