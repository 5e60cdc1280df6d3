"""Explain an entry of a catalogue, what a source is, or why a run decided as it did."""

import importlib
import json
from pathlib import Path
from typing import Annotated, Any

from regraft import runs
from regraft.commands._story import story
from regraft.commands._summary import best_first
from regraft.core import catalog
from regraft.core.config import settings
from regraft.core.describe import describe
from regraft.core.errors import UserError, unknown
from regraft.core.gauge import GAUGES
from regraft.core.progress import Reporter
from regraft.core.records import PASSED_OVER


@settings
class Explain:
    """What an entry does, its options and its source in the literature; or each decision of a run with its evidence.

    Of a source: what it is and what it knows, as far as that is understood without a run.
    """

    name: Annotated[str, "positional"]
    """An entry (l2_sp, or scores/logme where names repeat), a source (timm:resnet18@FILE) or a run's folder."""
    target: Path | None = None
    """Labelled examples that the source is to be understood for: what is measured on a target is measured on them."""
    label: str = "label"
    """The column of the target's table that holds the labels."""


def main(options: Explain, reporter: Reporter) -> dict[str, Any]:
    """The explanation.

    Raises:
        UserError: nothing has that name.
    """
    folder = Path(options.name).is_dir()
    if ":" in options.name or (folder and (options.target is not None or _only_a_model(Path(options.name)))):
        source = importlib.import_module("regraft.commands._source")
        return {"source": source.explained(options.name, options.target, options.label, reporter)}
    if folder:
        decided = Path(options.name) / runs.DECISIONS
        told = json.loads(decided.read_text(encoding="utf-8")) if decided.is_file() else []  # older runs have none
        return {"run": runs.result_of(Path(options.name)), "decisions": told}
    kind, _, name = options.name.partition("?")[0].rpartition("/")
    if kind and kind not in catalog.KINDS:
        raise UserError(f"there is no run {options.name} and no catalogue {kind!r}; see 'regraft list' for catalogues")
    found = [(k, p) for k in ([kind] if kind else catalog.KINDS) for n, p in catalog.files(k).items() if n == name]
    if not found:
        told = unknown("entry or run", options.name, {n for k in catalog.KINDS for n in catalog.files(k)})
        raise UserError(f"{told} (a source is named with its kind, such as timm:{name})")
    entries = []
    for catalogue, path in found:
        described = describe(path)
        fields = [{"name": o.name, "default": o.default, "help": o.help} for o in described.options]
        entries.append({"catalogue": catalogue, "name": name, "doc": described.doc, "options": fields})
    return {"entries": entries}


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    if "source" in result:
        return str(importlib.import_module("regraft.commands._source").shown(result["source"]))
    if "run" in result:
        return _decisions(result["run"], result.get("decisions", []))
    blocks = []
    for entry in result["entries"]:
        lines = [f"{entry['catalogue']}/{entry['name']}", "", entry["doc"], ""]
        lines += [f"  {o['name']} = {o['default'] or '(required)'}\n      {o['help']}" for o in entry["options"]]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _only_a_model(folder: Path) -> bool:
    return (folder / "model.json").exists() and not (folder / runs.RESULT).exists()


def _decisions(run: dict[str, Any], decided: list[dict[str, Any]]) -> str:
    lines = [run["sentence"], "", "Sources, as understood:"]
    for source in run["sources"]:
        lines.append(f"  {source['uri']} ({source['parameters']:,} weights)")
        lines += [f"      {key}: {value}" for key, value in source["understood"].items()]
    lines += _ranking(run["ranking"])
    rule = run.get("rule")
    how = f"without labels of the target, by the selector {rule}" if rule else "cross-validated on the labelled target"
    lines += ["", f"Race ({how}; this decided):"]
    passed = [c for c in run["candidates"] if c["reason"] == PASSED_OVER]
    for c in best_first(c for c in run["candidates"] if c not in passed):
        error = "" if c["error"] is None else f" +- {c['error']:.3f}"
        score = "not scored" if c["score"] is None else f"{c['score']:.3f}{error}"
        lines.append(f"  {score:<16} {c['method']:<16} {c['source']}: {c['outcome']} {c['reason']}".rstrip())
    lines += [f"  {len(passed)} more: {PASSED_OVER}"] if passed else []
    lines += [f"  choice: {run['why']}"] if run.get("why") else []
    lines += [f"  out: {o['method']} with {o['source']}: {o['reason']}" for o in run["left_out"]]
    lines += _hindsight(run.get("hindsight") or {})
    for uri, value in run.get("effects", {}).items():
        size = f"{value['effect']:+.3f} +- {value['error']:.3f}"
        lines.append(f"  effect of {uri}: {size} (its best against scratch, after short descents)")
    lines += _foretold(run)
    if run.get("forgetting"):
        kept = run["forgetting"]
        what = GAUGES[run.get("task", "classification")].what
        lines.append(f"  {what} on the source: {kept['before']:.3f} before transfer, {kept['after']:.3f} after")
    plan = run["plan"]
    lines += ["", f"Plan: {plan['steps']} steps, {plan['folds']} folds, {plan['seeds']} seeds. {plan['note']}".rstrip()]
    return "\n".join([*lines, *story(decided)])


def _ranking(rows: list[dict[str, Any]]) -> list[str]:
    """The lines on the ranking, if there was one."""
    ranks = [f"rank {r['low']:.0f} to {r['high']:.0f}{', tied' * _ties(r)}" for r in rows]
    places = [f"  {r['rank']}. {r['source']} ({said})" for r, said in zip(rows, ranks, strict=True)]
    return ["", "Ranking before the race (it ordered the work, and voted):", *places] if rows else []


def _foretold(run: dict[str, Any]) -> list[str]:
    """How well the ranking, each score, and the size alone foretold the race."""
    agreed, found = run.get("ranking_agreement"), run.get("score_agreement") or {}
    lines = [] if agreed is None else [f"  the ranking agreed with the race: weighted Kendall {agreed:.2f}"]
    lines += ["  scores beside the race (weighted Kendall; regret of the first choice):"] if found else []
    for name, one in found.items():
        tau = "   -" if one["tau"] is None else f"{one['tau']:5.2f}"
        lines.append(f"      {name.replace('_', ' '):<14}{tau}  {one['regret']:.3f}")
    return lines


def _hindsight(found: dict[str, Any]) -> list[str]:
    lines = ["  in hindsight, by the labels of the holdout, which none of these read:"] if found else []
    for row in [{"selector": "the oracle", **found["oracle"]}, *found["selectors"]] if found else []:
        took = f"{row['method']} from {row['source']}, {row['utility']:.3f}" if "method" in row else row["reason"]
        lines.append(f"      {row['selector']}: {took}")
    return lines


def _ties(row: dict[str, Any]) -> bool:
    return bool(row["tied"] and row["rank"] > 1)
