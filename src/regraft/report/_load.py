"""A run folder read into checked records: what is damaged stops here, what is absent is None or empty."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from regraft.core.errors import UserError
from regraft.report._gauge import CLASSES, NUMBERS, Gauge


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A finite number; what was not measured (null, not a number) is None."""


class _Record(BaseModel):
    """Part of ``run.json``. Unknown fields are left alone (a newer Regraft wrote them), null counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, given: Any) -> Any:
        return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given


R = TypeVar("R", bound=_Record)


class Spread(_Record):
    """An estimate and the ends of its interval, where it has one."""

    mean: float
    low: Number = None
    high: Number = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        return {"mean": given} if isinstance(given, int | float) else given


class Score(Spread):
    """A ranking score of one source."""

    mean: float = math.nan

    @model_validator(mode="before")
    @classmethod
    def _value(cls, given: Any) -> Any:
        return {**given, "mean": given["value"]} if isinstance(given, dict) and "value" in given else given


class Gain(Spread):
    """Utility of the transfer minus utility of scratch."""

    level: float = 0.95
    detectable: Number = None


class Pair(_Record):
    """A source and the method that used it."""

    source: str = ""
    method: str = ""
    reason: str = ""


class Candidate(Pair):
    """One entry of the race."""

    score: Number = None
    error: Number = None
    seconds: Number = None
    outcome: str = ""
    rung: int | None = None


class Ranked(_Record):
    """One source in the ranking."""

    source: str
    rank: int
    scores: dict[str, Score] = {}


class Source(_Record):
    """What was read of one source."""

    uri: str
    kind: str = ""
    parameters: int | None = None
    understood: dict[str, str] = {}


class Data(_Record):
    """What was read of the target."""

    target: str = ""
    classes: list[str] = []
    train: dict[str, int] = {}
    holdout: dict[str, int] = {}
    unlabeled: int = 0
    skipped: list[tuple[str, str]] = []
    duplicates: int = 0
    notes: list[str] = []
    protocol: str = ""


class Point(_Record):
    """Utility at one number of labels: per class, or of numbers in all."""

    labels_per_class: int
    chosen: Spread | None = None
    scratch: Spread | None = None


class Plan(_Record):
    """What the budget afforded."""

    note: str = ""


class Result(_Record):
    """``run.json``."""

    task: str = "classification"
    verdict: Literal["helps", "hurts", "undecided"]
    sentence: str
    gain: Gain | None = None
    tests: dict[str, Number] = {}
    chosen: Pair = Pair()
    shipped: str = "transfer"
    metrics: dict[str, Spread] = {}
    baseline: dict[str, Spread] = {}
    candidates: list[Candidate] = []
    ranking: list[Ranked] = []
    left_out: list[Pair] = []
    sources: list[Source] = []
    plan: Plan = Plan()
    data: Data = Data()
    labels_read: list[str] = []
    curve: list[Point] = []
    citations: dict[str, str] = {}
    seeds: int | None = None
    seconds: Number = None
    budget: Number = None
    command: str = ""
    run: str = ""
    version: str = ""


class Holdout(_Record):
    """The judged examples, in the order of the outputs."""

    kind: str = "image"
    items: list[str] = []
    """The files of pictures, the texts themselves, or whatever says what an example is."""
    targets: list[int] = []
    numbers: list[float] = []
    """What was to be predicted, where it is no class."""
    classes: list[str]


class Maps(_Record):
    """Two-dimensional maps of features, (M, 2) each, with the class of each point."""

    before: list[tuple[float, float]] = []
    after: list[tuple[float, float]] = []
    targets: list[int]


@dataclass(frozen=True)
class Folder:
    """A run. ``chosen`` and ``scratch``: class probabilities (seeds, N, K), or numbers (seeds, N, 1), or None."""

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
        return NUMBERS if self.result.task == "regression" else CLASSES

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
    result = _parse(run / "run.json", Result)
    if result is None:
        raise UserError(f"{run} has no run.json: it is no run, or one that has not ended (regraft run --resume {run})")
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
    if folder.holdout and not all(0 <= target < classes for target in folder.holdout.targets):
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
    expected = (len(holdout.numbers), 1) if holdout.numbers else (len(holdout.targets), len(holdout.classes))
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
