"""A report is a pure function of a run folder: the same folder gives the same bytes."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from regraft.core.errors import UserError
from regraft.report._load import load
from regraft.report._svg import STYLE, Figure
from regraft.report.contents import Contents, gather
from regraft.report.markdown import markdown


def render(run: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.md`` (with the drawings it refers to, in ``figures/``) into the run folder.

    Returns:
        The two paths.

    Raises:
        UserError: the folder is not a run, is damaged, or cannot be written.
    """
    contents = gather(load(run))
    text, drawings = markdown(contents)
    written = {f"figures/{name}": drawing for name, drawing in drawings.items()}
    write(run, written | {"report.md": text.encode(), "report.html": html(contents).encode()})
    return run / "report.html", run / "report.md"


def write(run: Path, files: Mapping[str, bytes]) -> None:
    """Write files, by their names in the folder ``run``: each whole or not at all.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        for name, content in files.items():
            (run / name).parent.mkdir(exist_ok=True)
            _write(run / name, content)
    except OSError as error:
        raise UserError(
            f"cannot write into {run} ({error.strerror or error}); make room or change its rights"
        ) from error


def html(contents: Contents) -> str:
    """The page, with everything it needs inside."""
    return page("template.html", contents)


def page(template: str, contents: Any) -> str:
    """A page of its own, ``contents`` set in a template of this folder."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=PackageLoader("regraft", "report"),
    )  # fmt: skip
    environment.globals.update(svg=_svg, style=Markup(STYLE))
    return environment.get_template(template).render(page=contents)


def _svg(figure: Figure) -> Markup:
    return Markup(figure.inline())  # every string in it was escaped where it was drawn


def _write(file: Path, content: bytes) -> None:
    """All of the file or nothing: a reader never sees half a report."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
