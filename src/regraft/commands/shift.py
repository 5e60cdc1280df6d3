"""Measure how far two sets of examples lie apart, and in what."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from regraft import runs
from regraft.bench import bounded
from regraft.comparing import domain_features
from regraft.core.config import settings, to_plain
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.core.seeding import derive
from regraft.data import columns
from regraft.data.examples import Examples
from regraft.data.names import shared
from regraft.permutation import LEVEL
from regraft.permutation import columns as moved_columns
from regraft.readers._base import kind_as, read
from regraft.report.shift import render
from regraft.runtime import Runtime, detect
from regraft.shifting import Sample, shift
from regraft.sources import check

_SHOWN = 10


@settings
class Shift:
    """Divergences with p-values, class by class too; what labels say of it, which examples moved most; a report.

    Whether the domains have labels is seen from the data; a table without the column of labels has none.
    """

    domains: Annotated[tuple[Path, ...], "positional"] = ()
    """Two folders, tables or files of arrays, of the same kind of examples: the source's first, then the target's."""
    backbone: str = ""
    """A source as in regraft run, whose features are compared; without it pixels, counts of words, columns, spectra."""
    label: str = "label"
    """The column of tables, or the array, that holds the labels."""
    kind: Literal["auto", "image", "audio", "text", "table", "vector"] = "auto"
    """What the examples are; auto: by the data."""
    examples: int = 500
    """Examples of each domain that are compared, at most."""
    seed: int = 0
    """Seed of everything random."""
    device: str = "auto"
    """auto, cpu or cuda."""
    out: Path | None = None
    """Folder of the report; without it, a new one below runs/."""


def main(options: Shift, reporter: Reporter) -> dict[str, Any]:
    """What `regraft.shifting.shift` finds, with the domains' duplicates, names and columns; written to a folder.

    Raises:
        UserError: there are not two domains, one cannot be read, or they hold different kinds of examples.
    """
    if options.out is not None:
        runs.refuse_full(options.out, "shift")
    if options.backbone:
        check(options.backbone)
    whole = _read(options, reporter)
    both = [_some(examples, options.examples, options.seed) for examples in whole]
    features = domain_features(both, options.backbone, detect(options.device), bounded(runs.cache_folder()))
    reporter.say(f"{len(both[0])} and {len(both[1])} {both[0].noun}s, {features[0].shape[1]} features each")
    samples = [Sample(x, of.labels, of.classes, of.groups) for x, of in zip(features, both, strict=True)]
    with Runtime(threads=1).limited():  # small matrices: threads would wait for each other
        found = shift(samples[0], samples[1], options.seed)
    names = [path.resolve().name for path in options.domains]
    folder = runs.create(options.out, f"shift-{names[0]}-{names[1]}", _kept(options), "shift")
    scores = found.pop("scores")
    paths = [str(path) for path in options.domains]
    result = {
        "run": str(folder), "domains": paths, "kind": both[0].kind, "backbone": options.backbone,
        "skipped": [len(of.skipped) for of in whole], **found, **_overlap(whole), "columns": _columns(whole),
        "moved": [_surest(of, s) for of, s in zip(both, scores, strict=True)],
    }  # fmt: skip
    runs.write_json(folder / "shift.json", result)
    return result | {"report": str(render(folder))}


def _kept(options: Shift) -> dict[str, Any]:
    return {name: value for name, value in to_plain(options).items() if name != "out" and value is not None}


def _read(options: Shift, reporter: Reporter) -> list[Examples]:
    if len(options.domains) != 2:
        raise UserError(f"two domains are compared, {len(options.domains)} given: regraft shift SOURCE TARGET")
    first = _domain(options.domains[0], options.label, options.kind, reporter)
    second = _domain(options.domains[1], options.label, kind_as(options.domains[1], first.kind), reporter)
    if second.kind != first.kind:
        raise UserError(
            f"{options.domains[0]} holds {first.noun}s and {options.domains[1]} {second.noun}s; give two of one kind"
        )
    if options.label != Shift().label and first.labels is None and second.labels is None:
        raise UserError(f"neither domain has labels called {options.label!r}; correct --label, or leave it out")
    for path, found in zip(options.domains, (first, second), strict=True):
        if found.skipped:
            one = found.skipped[0]
            reporter.say(f"{len(found.skipped)} of {path} were skipped, the first: {one.path} ({one.reason})")
        for note in found.notes:
            reporter.say(f"{path}: {note}")
    return [first, second]


def _domain(path: Path, label: str, kind: str, reporter: Reporter) -> Examples:
    """Its examples, with their labels if there are any."""
    try:
        return read(path, at_least=1, label=label, kind=kind)
    except UserError as error:
        try:
            found = read(path, labelled=False, label=label, kind=kind)
        except UserError:
            raise error from None
        reporter.say(f"{path} is taken without labels: {error}")
        return found


def _some(examples: Examples, most: int, seed: int) -> Examples:
    """At most ``most`` of them; which, their content and the seed decide."""
    if most < 2:
        raise UserError(f"option 'examples' must be at least 2, got {most}")
    order = sorted(range(len(examples)), key=lambda i: (derive(seed, "shift", examples.digests[i]), examples.ids[i]))
    return examples.take(sorted(order[:most]))


def _overlap(whole: list[Examples]) -> dict[str, Any]:
    """Examples that are in both, and classes that both name."""
    a, b = whole
    known = a.labels is not None and b.labels is not None
    both = shared(a.classes, b.classes) if known else {}
    twice = set(a.digests) & set(b.digests)
    return {
        "duplicates": [a.ids[i] for i, digest in enumerate(a.digests) if digest in twice],
        "names": {
            "both": [a.classes[i] for i in both],
            "first": [name for i, name in enumerate(a.classes) if known and i not in both],
            "second": [name for j, name in enumerate(b.classes) if known and j not in both.values()],
        },
    }


def _columns(whole: list[Examples]) -> list[dict[str, Any]]:
    """Of tables, the columns of numbers that both have, those that moved most surely first."""
    if whole[0].kind != "table":
        return []
    values = []
    for examples in whole:
        numbers = {name: [columns.number(row.values.get(name, "")) for row in examples.items]
                   for name in columns.names_of(examples.items)}  # fmt: skip
        values.append({k: np.array([np.nan if v is None else v for v in column]) for k, column in numbers.items()})
    return moved_columns(*values)


def _surest(examples: Examples, scores: list[float]) -> list[dict[str, Any]]:
    """The examples that are least like the other domain."""
    best = np.argsort(-np.asarray(scores), kind="stable")[:_SHOWN]
    return [{"item": str(examples.items[i]), "score": scores[i], "label": _named(examples, int(i))} for i in best]


def _named(examples: Examples, i: int) -> str:
    if examples.labels is None or examples.labels.ndim > 1:
        return ""
    return f"{examples.labels[i]:.4g}" if examples.numeric else examples.classes[examples.labels[i]]


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    lines = ["", f"  {result['sentence']}", "", f"  {'':<22}{'distance':>10}{'by chance':>11}{'p':>8}{'Holm':>8}"]
    tests = sorted(result["divergences"], key=lambda row: row["p"])
    tests += [{**row, "name": f"class {row['name']}"} for row in result["classes"]]
    for row in tests:
        numbers = f"{row['value']:>10.4g}{row['chance']:>11.4g}{row['p']:>8.3f}{row['adjusted']:>8.3f}"
        lines.append(f"  {row['name'].replace('_', ' '):<22}{numbers}")
    return "\n".join([*lines, *_told(result), "", f"  report: {result['report']}", ""])


def _told(result: dict[str, Any]) -> list[str]:
    """What labels, columns and names say."""
    lines, (a, b) = [], result["domains"]
    if result["labels"]:
        how = "estimated from answers" if result["labels"]["estimated"] else "of the classes"
        lines += ["", f"  shares {how}: p {result['labels']['p']:.3f}"]
        pairs = zip(result["labels"]["names"], result["labels"]["shares"], strict=True)
        lines += [f"    {name:<20}{100 * x:>6.1f}%{100 * y:>8.1f}%" for name, (x, y) in pairs]
    if result["conditional"]:
        of = result["conditional"]
        lines += [
            "",
            f"  accuracy on {b}: {of['foreign']:.3f} by a classifier of {a}, {of['own']:.3f} by one of its own",
        ]
    moved = [row for row in result["columns"] if row["adjusted"] < LEVEL]
    lines += [f"  columns that moved: {', '.join(row['name'] for row in moved)}"] if moved else []
    names, twice = result["names"], len(result["duplicates"])
    alone = [f"only {where}: {', '.join(names[key])}" for key, where in (("first", a), ("second", b)) if names[key]]
    lines += [f"  classes of both: {len(names['both'])}; {'; '.join(alone)}"] if alone else []
    return lines + ([f"  {twice} examples are in both, the first: {result['duplicates'][0]}"] if twice else [])
