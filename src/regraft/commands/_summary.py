"""The result of a run in a few lines."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regraft.core.baseline import BASELINES
from regraft.core.duration import readable

_TABLE = 8


def summary(result: dict[str, Any]) -> str:
    """The verdict, the figures behind it, the best candidates, and where things lie."""
    chosen, folder = result["chosen"], Path(result["run"])
    rival = BASELINES[result.get("against", "scratch")]
    kept = f"{chosen['method']} from {chosen['source']}" if chosen["source"] else f"the model {rival.against}"
    lines = ["", f"  {result['verdict'].upper()}: {result['sentence']}", "", f"  kept: {kept}"]
    lines += [f"  {said}" for said in _asides(result)]
    lines += [f"  cut:  {result['plan']['note']}"] if result["plan"]["note"] else []
    lines += ["", f"  {'':<22}{'transfer':>10}{rival.name:>12}"]
    for name, value in result["metrics"].items():
        lines.append(f"  {name.replace('_', ' '):<22}{value['mean']:>10.3f}{result['baseline'][name]['mean']:>12.3f}")
    rule = result.get("rule")
    seen = f"without labels, by {rule}" if rule else "cross-validated on the labelled target"
    lines += ["", f"  race ({seen})"]
    for row in sorted(best_first(result["candidates"]), key=lambda row: row["outcome"] != "finalist")[:_TABLE]:
        score = "     -" if row["score"] is None else f"{row['score']:6.3f}"
        lines.append(
            f"  {score}  {row['method']:<16} {_short(row['source']):<44} {row['outcome']}, {row['seconds']:.1f} s"
        )
    more = len(result["candidates"]) - _TABLE
    lines += [f"          and {more} more; all are in the report"] if more > 0 else []
    weights = folder / "model.safetensors"
    model = weights if weights.exists() else folder / "model.json"  # several networks have a folder each
    lines += ["", f"  model:  {model}", f"  report: {folder / 'report.html'}"]
    return "\n".join([*lines, f"  {readable(result['seconds'])} in all", ""])


def best_first(candidates: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The candidates of a race by their scores, those without one last."""
    return sorted(candidates, key=lambda c: (c["score"] is None, -(c["score"] or 0.0)))


def _asides(result: dict[str, Any]) -> list[str]:
    """The other question, what would decide the first, and the worth in labels; a line each, as far as known."""
    found = (
        result.get("model_sentence", ""),
        *(result.get(name, {}).get("sentence", "") for name in ("needed", "worth")),
    )
    return [said for said in found if said]


def _short(source: str, room: int = 44) -> str:
    return source if len(source) <= room else f"{source[:12]}...{source[15 - room :]}"
