"""A run folder read into checked records: what is damaged stops here."""

import json
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from regraft import runs
from regraft.core.errors import UserError
from regraft.core.gauge import CLASSES, GAUGES, Gauge
from regraft.report._beside import Holdout, Maps
from regraft.report._records import Record, Result

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Folder:
    """A run. ``chosen`` and ``scratch``: probabilities (seeds, N, K), or numbers (seeds, N, 1), or None."""

    path: Path
    result: Result
    environment: dict[str, str] = field(default_factory=dict)
    holdout: Holdout | None = None
    chosen: np.ndarray | None = None
    scratch: np.ndarray | None = None
    maps: Maps | None = None

    @property
    def name(self) -> str:
        """The run as its user calls it."""
        return self.result.run or self.path.name

    @property
    def gauge(self) -> Gauge:
        """How its utility is written."""
        return GAUGES.get(self.result.task, CLASSES)

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order of the outputs."""
        return self.holdout.classes if self.holdout else self.result.data.classes


def load(run: Path) -> Folder:
    """Read the run folder.

    Raises:
        UserError: it is not a run folder, or a file of it is damaged.
    """
    if not run.is_dir():
        raise UserError(f"{run} is not a folder; give the folder of a run, such as runs/NAME")
    if not (run / runs.RESULT).is_file():
        runs.result_of(run)  # which says what the folder is instead
    result = _parse(run / runs.RESULT, Result)
    assert result is not None
    environment = _json(run / "environment.json")
    if not isinstance(environment, dict | None):
        raise _damaged(run / "environment.json", "it does not hold names and values")
    holdout = _parse(run / "evaluation" / "holdout.json", Holdout)
    maps = _parse(run / "maps.json", Maps)
    folder = Folder(run, result, {k: str(v) for k, v in (environment or {}).items()}, holdout, maps=maps)
    _check(folder)
    if holdout is None:
        return folder
    chosen, scratch = (_outputs(run / "evaluation" / f"{name}-outputs.npy", holdout) for name in ("chosen", "scratch"))
    return Folder(run, result, folder.environment, holdout, chosen, scratch, maps)


def _check(folder: Folder) -> None:
    """Classes and lengths must fit each other, or figures would show something false."""
    classes = len(folder.classes)
    held = folder.holdout
    if held and not all(0 <= target < classes for target in (*held.targets, *chain.from_iterable(held.sets))):
        raise _damaged(folder.path / "evaluation" / "holdout.json", "a target is not one of its classes")
    maps = folder.maps
    if maps is None:
        return
    if any(points and len(points) != len(maps.targets) for points in (maps.before, maps.after)):
        raise _damaged(folder.path / "maps.json", "it has more points than targets, or fewer")
    if any(target < 0 or (classes and target >= classes) for target in maps.targets):
        raise _damaged(folder.path / "maps.json", "a target is not one of the classes")
    if not np.isfinite([*maps.before, *maps.after]).all():
        raise _damaged(folder.path / "maps.json", "a point is not finite")


def _outputs(file: Path, holdout: Holdout) -> np.ndarray | None:
    if not file.is_file():
        return None
    try:
        outputs = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(file, "it is not an array of numbers") from error
    expected = holdout.count, 1 if holdout.numbers else len(holdout.classes)
    if outputs.ndim != 3 or outputs.shape[1:] != expected or not len(outputs) or outputs.dtype.kind != "f":
        raise _damaged(file, f"its shape is {outputs.shape}, not (seeds, {expected[0]}, {expected[1]})")
    return np.nan_to_num(outputs.astype(np.float64))


def _parse(file: Path, kind: type[R]) -> R | None:
    given = _json(file)
    if given is None:
        return None
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its content"
        raise _damaged(file, f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error


def _json(file: Path) -> Any:
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, "it is not JSON") from error


def _damaged(file: Path, why: str) -> UserError:
    return UserError(f"{file} is damaged or not Regraft's ({why}); repeat the run, or give another folder")
