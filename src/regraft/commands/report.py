"""Write a run's report again, or compare several runs."""

from pathlib import Path
from typing import Annotated, Any

from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.report.html import render
from regraft.report.markdown import compare


@settings
class Report:
    """Rebuild report.html and report.md from the run folder; with several runs, also a table that compares them."""

    runs: Annotated[tuple[Path, ...], "positional"] = ()
    """Run folders."""


def main(options: Report, reporter: Reporter) -> dict[str, Any]:
    """The paths of the reports and the comparison.

    Raises:
        UserError: a folder is not a finished run.
    """
    if not options.runs:
        raise UserError("no run given: regraft report RUN [RUN ...]")
    written = [[str(path) for path in render(run)] for run in options.runs]
    return {"reports": written, "comparison": compare(list(options.runs)) if len(options.runs) > 1 else None}


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    lines = [path for pair in result["reports"] for path in pair]
    return "\n".join([*lines, "", result["comparison"]] if result["comparison"] else lines)
