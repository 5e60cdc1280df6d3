"""The decisions of a run as a story."""

from collections.abc import Mapping, Sequence
from typing import Any


def story(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The decisions for a reader at a terminal: a sentence each, and of comparisons a line for each candidate."""
    lines = ["", "Decisions, first to last (gaps in what candidates are chosen by, per example):"] if found else []
    for number, one in enumerate(found, 1):
        lines.append(f"  {number}. {one['step']}: {one['said']}")
        for row in one.get("candidates", ()):
            went = "went on" if row["went_on"] else "ended  "
            lines.append(f"       {went}  {row['method']} from {row['source']}: {_gap(row)}")
    return lines


def _gap(row: Mapping[str, Any]) -> str:
    if "ahead" in row:
        return f"{row['ahead']:+.3f} +- {row['error']:.3f} to the choice alone"
    return f"{row['behind']:+.3f} +- {row['error']:.3f} behind the first"
