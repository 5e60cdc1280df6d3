"""Rank sources for a target by what their features say, before any training on it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from regraft import runs
from regraft.bench import Bench, bounded
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.opening import Opening
from regraft.preparing import Prepared, Request, prepare
from regraft.ranking import VOTING, known_of, rank
from regraft.runtime import detect
from regraft.sources import check, open_source, try_out


@settings
class Rank:
    """Scores of each source on the labelled target, and their combined rank with how sure it is.

    The labels are those that ``regraft run`` with the same options would learn from: the holdout is not read, so a
    source that is chosen here is not chosen on it. Features are remembered, for the run too.
    """

    target: Path | None = None
    """Folder with a folder of pictures (or sounds) per class, a table with a column label, or a file of arrays."""
    source: tuple[str, ...] = ()
    """As in regraft run; repeatable."""
    label: str = "label"
    """The column of tables, or the array, that holds the labels; or several of 0 and 1: red,round."""
    task: Literal["auto", "classification", "regression", "multilabel"] = "auto"
    """What the labels are; auto: by the data."""
    kind: Literal["auto", "image", "audio", "text", "table", "vector"] = "auto"
    """What the examples are; auto: by the data."""
    test: Path | None = None
    """Labelled examples that a run is to be judged by; without it, part of the target is set aside."""
    shots: int | None = None
    """Labels per class (of numbers: in all) that a run is to learn from."""
    seed: int = 0
    """Seed of everything random."""
    backbone: str = "small"
    """The network that data: sources are trained in."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "auto"
    """auto (measured), fp32, bf16 or bf16-mixed."""


def main(options: Rank, reporter: Reporter) -> dict[str, Any]:
    """The ranking, the most promising source first.

    Raises:
        UserError: the target or a source cannot be read, or a mistake in the options.
    """
    data = _checked(options, reporter)
    opening = Opening(options.backbone, read=data.given)
    for uri in options.source:
        try_out(uri, data.train, opening)
    with TemporaryDirectory() as folder:
        journal = runs.Journal(Path(folder))
        runtime, measure = detect(options.device, options.precision), options.precision == "auto"
        clock = runs.Clock(journal, None)
        bench = Bench(journal, clock, reporter, runtime, measure, options.seed, bounded(runs.cache_folder()))
        evidence, costs = {}, {}
        for uri in dict.fromkeys(options.source):
            reporter.say(f"source {uri}")
            source = open_source(uri, data.train, opening, bench)
            evidence[uri] = known_of(source, bench.dataset(data.train, source.backbone.preprocess), bench)
            costs[uri] = {"parameters": evidence[uri].parameters, "milliseconds": round(1000 * source.cost[1], 3)}
        ranking = [{**row, **costs[row["source"]], "missing": _missing(row)} for row in rank(evidence, options.seed)]
    return {
        "target": str(options.target),
        "labels": len(data.train),
        "protocol": data.facts["protocol"],
        "ranking": ranking,
    }


def _checked(options: Rank, reporter: Reporter) -> Prepared:
    if options.target is None:
        raise UserError("option 'target' is missing: regraft rank --target DIR --source SOURCE --source SOURCE")
    if not options.source:
        raise UserError("option 'source' is missing; give those to rank, such as --source timm:resnet18@weights")
    if options.shots == 0:
        raise UserError("option 'shots' is 0, but scores read labels of the target; give a few, or leave it out")
    for uri in options.source:
        check(uri)
    where = (options.target, options.test, None)
    request = Request(*where, options.shots, options.seed, options.label, options.task, options.kind, options.source)
    return prepare(request, reporter)


def _missing(row: dict[str, Any]) -> list[str]:
    """Scores that could not be had, and do not vote on this source."""
    return [name for name in VOTING if name not in row["scores"]]


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    rows, names = result["ranking"], [n for n in VOTING if any(n in row["scores"] for row in result["ranking"])]
    wide = max(len("source"), *(len(row["source"]) for row in rows))
    head = "".join(f"{name.replace('_', ' '):>14}" for name in names)
    lines = ["", f"  {'rank':<10}{'source':<{wide}}{head}{'weights':>13}{'ms':>8}"]
    for row in rows:
        place = f"{row['rank']}" + (f" ({row['low']:.0f}-{row['high']:.0f})" if len(rows) > 1 else "")
        scores = "".join(f"{row['scores'][n]['value']:>14.3f}" if n in row["scores"] else f"{'-':>14}" for n in names)
        lines.append(f"  {place:<10}{row['source']:<{wide}}{scores}{row['parameters']:>13,}{row['milliseconds']:>8.2f}")
    tied = [row["source"] for row in rows[1:] if row["tied"]]
    lines += ["", f"  not surely behind the first: {', '.join(tied)}"] if tied else []
    lines += [f"  {row['source']}: no {', '.join(row['missing'])}" for row in rows if row["missing"]]
    return "\n".join([*lines, "", f"  {result['labels']} labels; {result['protocol']}", ""])
