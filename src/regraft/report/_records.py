"""What a run folder holds, as checked records: what is absent is None or empty."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from regraft.core.baseline import BASELINES, Baseline


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A finite number; what was not measured (null, not a number) is None."""


class Record(BaseModel):
    """Part of ``run.json``. Unknown fields are left alone (a newer Regraft wrote them), null counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, given: Any) -> Any:
        return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given


class Spread(Record):
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


class Pair(Record):
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
    folds: int = 0


class Ranked(Record):
    """One source in the ranking."""

    source: str
    rank: int
    scores: dict[str, Score] = {}


class Source(Record):
    """What was read of one source."""

    uri: str
    kind: str = ""
    parameters: int | None = None
    understood: dict[str, str] = {}


class Data(Record):
    """What was read of the target."""

    target: str = ""
    classes: list[str] = []
    train: dict[str, int] = {}
    holdout: dict[str, int] = {}
    examples: dict[str, int] = {}
    """How many there are in each part; with several labels each, fewer than labels."""
    unlabeled: int = 0
    skipped: list[tuple[str, str]] = []
    duplicates: int = 0
    notes: list[str] = []
    protocol: str = ""

    @property
    def learned(self) -> int:
        """Examples to learn from."""
        return self.examples.get("train", sum(self.train.values()))

    @property
    def judged(self) -> int:
        """Examples of the holdout."""
        return self.examples.get("holdout", sum(self.holdout.values()))


class Point(Record):
    """Utility at one number of labels: per class, or of numbers in all."""

    labels_per_class: int
    chosen: Spread | None = None
    scratch: Spread | None = None


class Label(Record):
    """One class, or label of a set: how many examples of the holdout have it, and the figures of both models."""

    label: str
    holdout: int = 0
    chosen: dict[str, Number] = {}
    scratch: dict[str, Number] = {}
    gain: Spread | None = None
    adjusted: Number = None
    """Of the p-value that there is no gain on this class; Holm."""


class Taken(Pair):
    """What a selector would have taken, its utility on the holdout and how far that is from the best."""

    selector: str = ""
    labels: str = ""
    utility: Number = None
    regret: Number = None
    correlation: Number = None


class Hindsight(Record):
    """Selectors without labels of the target beside the oracle, of ``compared`` models."""

    compared: int = 0
    oracle: Taken = Taken()
    selectors: list[Taken] = []


class Sentence(Record):
    """What is said in words."""

    sentence: str = ""


class Calibration(Sentence):
    """The temperature of the kept model, and figures on the holdout before and after."""

    value: Number = None
    applied: bool = False
    before: dict[str, Spread] = {}
    after: dict[str, Spread] = {}


class Sets(Sentence):
    """Conformal sets or ranges on the holdout: how often they hold the truth, and how large they are."""

    level: Number = None
    limit: Number = None
    coverage: Spread | None = None
    size: Spread | None = None
    half_width: Number = None


class OuterFold(Pair):
    """What was chosen without the examples of a fold, and what both contestants reached on them."""

    repeat: int = 1
    fold: int = 1
    examples: int = 0
    chosen: Number = None
    scratch: Number = None


class Nested(Record):
    """The outer folds of a run without a holdout; ``learned``: examples that the kept model learned from."""

    folds: int = 0
    repeats: int = 1
    learned: int = 0
    outer: list[OuterFold] = []


class Contribution(Record):
    """The gain of the finalist over itself without a part, or the reason why that could not be had."""

    part: str
    without: Number = None
    gain: Spread | None = None
    p: Number = None
    reason: str = ""


class Plan(Record):
    """What the budget afforded."""

    note: str = ""


class Result(Record):
    """``run.json``."""

    task: str = "classification"
    verdict: Literal["helps", "hurts", "undecided"]
    sentence: str
    gain: Gain | None = None
    tests: dict[str, Number] = {}
    model_verdict: Literal["helps", "hurts", "undecided"] | None = None
    model_gain: Gain | None = None
    model_sentence: str = ""
    needed: Sentence = Sentence()
    worth: Sentence = Sentence()
    calibration: Calibration = Calibration()
    sets: Sets = Sets()
    chosen: Pair = Pair()
    shipped: str = "transfer"
    against: Literal["scratch", "source_only"] = "scratch"
    """The baseline."""
    rule: str = ""
    """The selector that compared candidates without labels of the target."""
    metrics: dict[str, Spread] = {}
    baseline: dict[str, Spread] = {}
    hindsight: Hindsight = Hindsight()
    nested: Nested = Nested()
    contributions: list[Contribution] = []
    candidates: list[Candidate] = []
    ranking: list[Ranked] = []
    left_out: list[Pair] = []
    why: str = ""
    """What settled the choice where the best result of the race did not."""
    sources: list[Source] = []
    plan: Plan = Plan()
    data: Data = Data()
    labels_read: list[str] = []
    labels: list[Label] = []
    curve: list[Point] = []
    citations: dict[str, str] = {}
    seeds: int | None = None
    seconds: Number = None
    budget: Number = None
    command: str = ""
    run: str = ""
    version: str = ""

    @property
    def rival(self) -> Baseline:
        """The baseline in words."""
        return BASELINES[self.against]
