"""Rank sources for a target by what their features say, before any training on it."""

import shlex
import shutil
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from pydantic import Field

from regraft import runs
from regraft.bench import Bench, bounded
from regraft.core import catalog
from regraft.core.config import build, settings, to_plain
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.data.dataset import Dataset
from regraft.data.examples import Examples
from regraft.depth import PROBE, by_depth
from regraft.opening import Opening
from regraft.preparing import Prepared, Request, prepare
from regraft.ranking import VOTING, known_of, told
from regraft.readers._domains import labelled_data, single
from regraft.runtime import detect
from regraft.scores._base import Evidence
from regraft.screening import FAILS, Screened, Screening, full_cost, reason
from regraft.sources import Source, check, open_source, try_out

_PAGE = 20  # sources that the table for a reader shows


@settings
class Rank:
    """Scores of each source on the labelled target, and their combined rank with how sure it is.

    The labels are those that ``regraft run`` with the same options would learn from: the holdout is not read, so a
    source that is chosen here is not chosen on it. Features are remembered, for the run too. A source that fails is
    listed with the reason.
    """

    target: Path | None = None
    """Folder with a folder of pictures (or sounds) per class, a table with a column label, or a file of arrays."""
    source: tuple[str, ...] = ()
    """As in regraft run; repeatable."""
    sources: Path | None = None
    """A file of more sources, one a line; empty lines, and those that begin with #, do not count."""
    keep: Annotated[int, Field(ge=1)] = 16
    """Sources that are ranked in full; if there are more, they are screened on few labels first, half by half."""
    layers: int = 0
    """Of so many of the first sources, also which block's features are best."""
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
    out: Path | None = None
    """Folder for what is done, so that --resume can go on; without it, nothing but features is remembered."""
    resume: Path | None = None
    """Go on with the ranking in this folder; its options are used."""


def main(options: Rank, reporter: Reporter) -> dict[str, Any]:
    """The ranking, the most promising source first.

    Raises:
        UserError: the target cannot be read, no source can, or a mistake in the options.
    """
    if options.resume is not None:
        runs.only_resumes(to_plain(options), to_plain(Rank()))
        options = replace(build(Rank, runs.options_of(options.resume, "rank"), "rank"), out=options.resume)
    else:
        uris = _asked(options)  # what is wrong is told before a folder is made
        if options.out is not None:
            kept = to_plain(replace(options, out=None, source=tuple(uris), sources=None))
            runs.create(options.out, "", {n: v for n, v in kept.items() if n not in ("out", "resume")}, "rank")
    data = _prepared(options, reporter)
    with _folder(options, reporter) as folder:
        return _Ranking(options, data, folder, reporter).run(_asked(options))


class _Ranking:
    """One ranking: what is at hand and which sources failed so far, each with the reason."""

    def __init__(self, options: Rank, data: Prepared, folder: Path, reporter: Reporter) -> None:
        self.options, self.data, self.failed = options, data, dict[str, str]()
        journal = runs.Journal(folder)
        runtime, measure = detect(options.device, options.precision), options.precision == "auto"
        clock = runs.Clock(journal, None)
        cache = bounded(runs.cache_folder())
        self.bench = Bench(journal, clock, reporter, runtime, measure, options.seed, cache)

    def run(self, uris: list[str]) -> dict[str, Any]:
        """The result."""
        opening = Opening(self.options.backbone, read=self._read(uris))
        able = [uri for uri in uris if uri not in self.failed]
        screened = Screening(self.data.train, opening, self.bench).run(able, self.options.keep)
        self.failed |= screened.failed
        evidence, costs = self._known(screened.kept, opening)
        if not evidence:
            raise UserError(self._none())
        begun = time.monotonic()
        rows = told(evidence, self.options.seed)
        scoring = (time.monotonic() - begun) / len(rows)
        ranking = [{**row, **costs[row["source"]], "missing": _missing(row)} for row in rows]
        for row in [row for row in ranking if PROBE in row["scores"]][: self.options.layers]:
            row["layers"] = self._layers(row["source"], opening)
        self.bench.clock.stamp()
        return {
            "target": str(self.options.target),
            "labels": len(self.data.train),
            "protocol": self.data.facts["protocol"],
            "ranking": ranking,
            "dropped": screened.dropped[::-1],
            "failed": [{"source": uri, "reason": why} for uri, why in self.failed.items()],
            "cost": _cost(screened, {uri: c["seconds"] + scoring for uri, c in costs.items()}, self.bench.clock.spent),
        }

    def _read(self, uris: list[str]) -> dict[str, Examples]:
        """The labelled data of the sources that bring some; what is no source at all is told here too."""
        given: dict[str, Examples] = {}
        for uri in uris:
            try:
                check(uri)
                named = [one for one in single([uri]) if one.startswith("data:") and one not in given]
                given |= {one: labelled_data(one, self.data.train) for one in named}
            except FAILS as error:
                self.failed[uri] = reason(error)
        return given

    def _known(self, uris: list[str], opening: Opening) -> tuple[dict[str, Evidence], dict[str, dict[str, Any]]]:
        """What is known of each source that does not fail, and what it cost."""
        evidence, costs = {}, {}
        with self.bench.reporter.track("ranking in full", len(uris)) as advance:
            for done, uri in enumerate(uris, 1):
                begun = time.monotonic()
                self.bench.reporter.say(f"source {uri}")
                try:
                    source = self._open(uri, opening)
                    evidence[uri] = known_of(source, self._decoded(source), self.bench)
                except FAILS as error:
                    self.failed[uri] = reason(error)
                    continue
                costs[uri] = {"parameters": evidence[uri].parameters, "milliseconds": round(1000 * source.cost[1], 3)}
                costs[uri]["seconds"] = round(time.monotonic() - begun, 3)
                advance(done)
        return evidence, costs

    def _layers(self, uri: str, opening: Opening) -> dict[str, Any]:
        source = self._open(uri, opening)
        return by_depth(source, self._decoded(source), self.bench)

    def _open(self, uri: str, opening: Opening) -> Source:
        try_out(uri, self.data.train, opening)
        return open_source(uri, self.data.train, opening, self.bench)

    def _decoded(self, source: Source) -> Dataset:
        return self.bench.dataset(self.data.train, source.backbone.preprocess)

    def _none(self) -> str:
        """Why there is no ranking."""
        if len(self.failed) == 1:
            return next(iter(self.failed.values()))
        first = "; ".join(f"{uri}: {why}" for uri, why in list(self.failed.items())[:3])
        return f"none of the {len(self.failed)} sources can be opened ({first}); correct them or give others"


def _asked(options: Rank) -> list[str]:
    """The sources, each once.

    Raises:
        UserError: there are none, or another option is missing or cannot be.
    """
    if options.target is None:
        raise UserError("option 'target' is missing: regraft rank --target DIR --source SOURCE --source SOURCE")
    listed: list[str] = []
    if options.sources is not None:
        try:
            lines = options.sources.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"option 'sources': cannot read {options.sources}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"option 'sources': {options.sources} is not text in UTF-8; save it so") from error
        listed = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    uris = list(dict.fromkeys([*options.source, *listed]))
    if not uris:
        raise UserError("option 'source' is missing; give those to rank, such as --source timm:resnet18@weights")
    if options.shots == 0:
        raise UserError("option 'shots' is 0, but scores read labels of the target; give a few, or leave it out")
    return uris


def _prepared(options: Rank, reporter: Reporter) -> Prepared:
    """The divided target. Sources do not matter to what is learned from, so that none of them can end this."""
    assert options.target is not None
    where = (options.target, options.test, None)
    return prepare(Request(*where, options.shots, options.seed, options.label, options.task, options.kind), reporter)


@contextmanager
def _folder(options: Rank, reporter: Reporter) -> Iterator[Path]:
    """Where the pieces of the work are kept: a folder of the user's, or one that goes when all is done."""
    if options.out is None:
        with TemporaryDirectory() as folder:
            yield Path(folder)
        return
    reporter.hint = f"Go on with: regraft rank --resume {shlex.quote(str(options.out))}"
    yield options.out


def _cost(screened: Screened, each: dict[str, float], seconds: float) -> dict[str, Any]:
    """Seconds in all and of each rung; and, where there was screening, what ranking all in full would have taken."""
    return {"seconds": round(seconds, 3), "rungs": screened.rungs, "full_seconds": round(full_cost(screened, each), 3)}


def _missing(row: dict[str, Any]) -> list[str]:
    """Scores that could not be had for this source."""
    return [name for name in catalog.names("scores") if name not in row["scores"] and name not in row["beside"]]


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal, as wide as that is; where a table does not fit, a paragraph a source."""
    rows, width = result["ranking"], shutil.get_terminal_size((100, 24)).columns
    names = [n for n in VOTING if any(n in row["scores"] for row in rows)]
    wide = max(len("source"), *(len(row["source"]) for row in rows))
    lines = _table(rows, names, wide)
    if max(map(len, lines)) > width:
        lines = [line for row in rows for line in _paragraph(row, width)]
    tied = [row["source"] for row in rows[1:] if row["tied"]]
    notes = [f"not surely behind the first: {', '.join(tied)}"] if tied else []
    voted = {row["source"]: [n for n in row["missing"] if n in VOTING] for row in rows}
    notes += [f"{uri}: no {', '.join(missing)}" for uri, missing in voted.items() if missing]
    notes += [_layer(row) for row in rows if "layers" in row]
    notes += [f"failed: {one['source']}: {one['reason']}" for one in result["failed"][:_PAGE]]
    notes += [f"... and {len(result['failed']) - _PAGE} more failed"] if len(result["failed"]) > _PAGE else []
    notes += [_screening(result)] if result["cost"]["rungs"] else []
    notes += [f"{result['labels']} labels; {result['protocol']}; --json has all scores"]
    fill = partial(textwrap.fill, width=width, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
    return "\n".join(["", *lines, "", *map(fill, notes), ""])


def _table(rows: list[dict[str, Any]], names: list[str], wide: int) -> list[str]:
    head = "".join(f"{name.replace('_', ' '):>13}" for name in names)
    lines = [f"  {'rank':<10}{'source':<{wide}}{head}{'weights':>13}{'ms':>8}"]
    for row in rows:
        scores = "".join(f"{row['scores'][n]['value']:>13.3f}" if n in row["scores"] else f"{'-':>13}" for n in names)
        size = f"{row['parameters']:>13,}{row['milliseconds']:>8.2f}"
        lines.append(f"  {_place(row, len(rows)):<10}{row['source']:<{wide}}{scores}{size}")
    return lines


def _paragraph(row: dict[str, Any], width: int) -> list[str]:
    """A source on a line of its own, what is known of it below."""
    scores = [f"{name.replace('_', ' ')} {score['value']:.3f}" for name, score in row["scores"].items()]
    scores += [f"{row['parameters']:,} weights", f"{row['milliseconds']:.2f} ms"]
    below = textwrap.wrap(", ".join(scores), width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return [f"  {_place(row, 2):<10}{row['source']}", *below]


def _place(row: dict[str, Any], count: int) -> str:
    return f"{row['rank']}" + (f" ({row['low']:.0f}-{row['high']:.0f})" if count > 1 else "")


def _layer(row: dict[str, Any]) -> str:
    """Which block is best, and how sure that is."""
    blocks, best = row["layers"]["blocks"], row["layers"]["best"]
    one, last = blocks[best - 1], len(blocks)
    if best == last:
        return f"{row['source']}: no block has better features than the last, {last} of {last}"
    lead = f"{one['difference']:+.3f} (90%: {one['low']:+.3f} to {one['high']:+.3f})"
    sure = "surely better than" if one["low"] > 0 else "not surely better than"
    return f"{row['source']}: block {best} of {last} scores best, {sure} the last: linear probe {lead}"


def _screening(result: dict[str, Any]) -> str:
    """What screening did and what it saved."""
    rungs, cost = result["cost"]["rungs"], result["cost"]
    steps = ", ".join(f"{r['sources']} on {r['examples']} labels" for r in rungs)
    saved = f"took {cost['seconds']:.0f} s; ranking all in full would have taken about {cost['full_seconds']:.0f} s"
    return f"screened: {steps}; {rungs[-1]['kept']} ranked in full, {len(result['dropped'])} dropped; {saved}"
