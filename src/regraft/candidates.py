"""What may race: each source with each method that fits."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from regraft.core import catalog
from regraft.core.baseline import BASELINES
from regraft.core.errors import FutileError, UserError
from regraft.core.labels import Labels
from regraft.data.dataset import Dataset
from regraft.data.examples import noun
from regraft.methods._base import Method, Need
from regraft.sources import Source

CLEARLY = 2.0
"""Standard errors by which one candidate must lead to be preferred for that alone."""
HOPELESS = 3.0
"""Standard errors behind the best from which a candidate's further full descents are saved."""
ENOUGH = 20
"""Examples from which such a standard error is believed."""
_NONE_FITS, _SIGHTED = "no method fits what is at hand", "it learns from labels, and there are none; shot needs none"


@dataclass(frozen=True)
class Candidate:
    """One source with one method, and what the race found.

    ``score``: cross-validated utility over ``folds`` folds; ``error``: its standard error over examples; ``criterion``:
    cross-validated `Task.criterion`, also ``by_example``; ``expected``: the same, drawn towards what its source and its
    method do elsewhere: this decides. ``first``: the score in the first rung, of short descents. ``seconds``: what all
    its trials took; ``pace``: those of one step in its last rung. ``outcome``: ``waiting``, ``finished`` (reached
    the last rung), ``dropped``, ``baseline``, ``failed`` or ``skipped``, with the ``reason``. ``outputs`` (N, K): what
    it made of the examples of ``by_example`` in full trials. ``members``: the candidates that answer together as this.
    """

    source: str
    method: str
    score: float | None = None
    first: float | None = None
    error: float | None = None
    criterion: float = 0.0
    expected: float = 0.0
    by_example: tuple[float, ...] = ()
    seconds: float = 0.0
    pace: float = 0.0
    folds: int = 0
    rung: int = 0
    outcome: str = "waiting"
    reason: str = ""
    members: tuple["Candidate", ...] = ()
    times: int = 1
    """How many times as long it descends as others: a baseline of what several models make together."""
    draw: int = 0
    """Which of several trainings of one kind it is."""
    outputs: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def baseline(self) -> bool:
        """Whether it transfers nothing."""
        return self.method in BASELINES


@dataclass(frozen=True)
class Plan:
    """What the budget affords: steps of a full descent, folds and seeds; whether to ``race``; what was cut.

    ``reserve``: seconds that the finish is expected to take, which the race leaves it. ``timed``: whether steps follow
    the clock; if not, nothing in the run does.
    """

    steps: int
    folds: int
    seeds: int
    race: bool = True
    note: str = ""
    reserve: float = 0.0
    timed: bool = True


@dataclass(frozen=True)
class AtHand:
    """What there is to learn from beside a source model; ``blind``: no label of the target is to be read."""

    source_data: bool
    unlabeled: bool
    blind: bool = False


def refuse(methods: Sequence[str], there: AtHand, labels: Labels | None = None) -> None:
    """Refuse methods of which none can run with what is at hand, before any work is done.

    ``labels``: what those of the target are, where that is known already.

    Raises:
        UserError: says what each of them lacks.
    """
    have = {Need.SOURCE_MODEL, *([Need.SOURCE_DATA] * there.source_data)}
    have |= {Need.UNLABELED} if there.unlabeled or there.blind else set()
    reasons, absent = [], set[Need]()
    for name in dict.fromkeys(methods):
        method = catalog.find("methods", name)
        if not method.labels:
            raise UserError(f"{name} makes a source: regraft train --unlabeled DIR --method {name}; then --source it")
        absent |= method.needs - have
        lacking = [f"it needs {need.value}" for need in sorted(method.needs - have)]
        lacking += [_unable(method, labels)] if labels and labels not in method.labels else []
        lacking += [_SIGHTED] if there.blind and not method.blind else []
        if name not in BASELINES and not lacking:
            return
        reasons.append(f"{name}: {lacking[0]}" if lacking else f"{name} is no transfer")
    if reasons:
        fixes = {Need.SOURCE_DATA: "add a --source data:DIR", Need.UNLABELED: "give --unlabeled DIR"}
        fix = ", ".join([fixes[need] for need in sorted(absent & set(fixes))] or ["leave --method out"])
        raise UserError(f"{_NONE_FITS} ({'; '.join(reasons)}); {fix}")


@dataclass(frozen=True)
class Entrants:
    """What may race: sources, unlabelled target examples by source, methods (none: those ``raced``), baselines.

    ``labels``: those of the target; ``select``: compares candidates where none may be read, else empty; ``together``:
    whether several may answer as one; ``votes``: what the ranking says for or against sources, in standard errors.
    """

    sources: Sequence[Source]
    unlabeled: Mapping[str, Dataset]
    methods: tuple[str, ...] = ()
    baselines: Sequence[Source] = ()
    labels: Labels = Labels.CLASSES
    select: str = ""
    together: bool = False
    votes: Mapping[str, float] = field(default_factory=dict)

    @property
    def blind(self) -> bool:
        """Whether no label of the target may be read."""
        return bool(self.select)

    def line_up(self, late: Sequence[dict[str, str]] = ()) -> tuple[list[Candidate], list[dict[str, str]]]:
        """The candidates and why each other pair is out, those that are ``late`` first.

        When time runs out, the last ones are not tried: within a source, what needs no descent comes first, then
        fine-tuning, the field's habit, then the rest by cost. Without labels SHOT comes before all.

        Raises:
            UserError: a method that does not exist, or none that fits.
        """
        usual = (n for n in catalog.names("methods") if self._usual(catalog.find("methods", n)))
        chosen = [n for n in self.methods or usual if n not in BASELINES and catalog.find("methods", n).labels]
        cost = {name: catalog.find("methods", name).cost for name in chosen}
        chosen.sort(key=lambda n: (self.blind and n != "shot", cost[n] > 0, n != "fine_tune", cost[n]))
        ready, out = [], list(late)
        for source in self.sources:
            for name in chosen:
                reason = self._unfit(name, source)
                if reason:
                    out.append({"source": source.uri, "method": name, "reason": reason})
                else:
                    ready.append(Candidate(source.uri, name))
        if not ready:
            reasons = "; ".join(sorted({f"{o['method']}: {o['reason']}" for o in out})) or "a baseline is no transfer"
            raise FutileError(f"{_NONE_FITS} ({reasons}); add a --source or leave --method out")
        return ready, out

    def _usual(self, method: type[Method]) -> bool:
        """Whether it lines up unasked."""
        return method.raced_blind if self.blind else method.raced

    def _unfit(self, name: str, source: Source) -> str:
        method = catalog.find("methods", name)
        if self.labels not in method.labels:
            return _unable(method, self.labels)
        if self.blind and not method.blind:
            return _SIGHTED
        needs, kind = method.needs, source.backbone.preprocess.kind
        if kind not in method.kinds:
            return f"it learns from {' or '.join(sorted(noun(k) for k in method.kinds))}s only"
        if Need.SOURCE_DATA in needs and source.domain is None:
            return f"there is no {Need.SOURCE_DATA.value}: this source is a model only"
        if Need.UNLABELED in needs and source.uri not in self.unlabeled:
            return f"there is no set of {Need.UNLABELED.value}: give --unlabeled DIR"
        if method.tunes and not source.learns:
            return "there is no weight in it that could be trained: this source gives features only"
        if method.batch_norm and not source.model.batch_norms:
            return "it works through batch normalisation, and this network has none"
        return ""


def _unable(method: type[Method], labels: Labels) -> str:
    return f"it predicts {' or '.join(sorted(method.labels))} only, and the labels are {labels.value}"


def told(
    candidate: Candidate, trials: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], rung: int
) -> Candidate:
    """The candidate with what its ``trials`` of a rung say, summed over those that are ``found`` to count."""
    failed = next((t["failed"] for t in trials if "failed" in t), None)
    seconds = (candidate.seconds if rung else 0.0) + sum(t.get("seconds", 0.0) for t in trials)
    if failed is not None:
        return replace(candidate, outcome="failed", score=None, reason=failed, seconds=seconds)
    if not found:
        return replace(candidate, reason=trials[0]["late"] if trials else "")
    utility, criterion = (np.concatenate([t[name] for t in found]) for name in ("utility", "criterion"))
    return replace(
        candidate,
        score=float(utility.mean()),
        first=candidate.first if rung else float(utility.mean()),
        error=float(utility.std() / len(utility) ** 0.5),
        criterion=float(criterion.mean()),
        by_example=tuple(criterion.tolist()),
        seconds=seconds,
        pace=float(np.median([t["pace"] for t in found])),
        folds=len(found),
        rung=rung,
        outputs=np.concatenate([unpacked(t["outputs"]) for t in found]) if all("outputs" in t for t in found) else None,
    )


def difference(one: Candidate, other: Candidate) -> tuple[float, float]:
    """By how much a candidate's criterion is ahead of another's, example by example, and the standard error of that."""
    both = min(len(one.by_example), len(other.by_example))  # who has fewer folds has the first ones
    each = np.array(one.by_example[:both]) - np.array(other.by_example[:both])
    return float(each.mean()), float(each.std() / both**0.5)


def clearly_better(one: Candidate, other: Candidate) -> bool:
    """Whether a candidate is ahead of another by more than `CLEARLY` standard errors."""
    lead, error = difference(one, other)
    return lead > CLEARLY * error


def hopeless(seen: Sequence[Candidate]) -> list[tuple[Candidate, str]]:
    """Those of the ``seen`` that will not catch up with the best of them, and by how much they are behind.

    That is `HOPELESS` standard errors of the paired difference, over `ENOUGH` examples or more.
    """
    found, scored = [], [c for c in seen if c.score is not None]
    for one in scored:
        best = max(scored, key=lambda c: c.criterion)
        lead, error = difference(best, one)
        if len(one.by_example) >= ENOUGH and lead > HOPELESS * error:
            found.append((one, f"ended after fold {one.folds}: {lead:.3f} +- {error:.3f} behind {best.method}"))
    return found


def outcome(candidate: Candidate, scored: str) -> str:
    """What became of a candidate in the race, which is ``scored`` for a transfer that has a score."""
    if candidate.outcome != "waiting":
        return candidate.outcome
    if candidate.score is None:
        return "skipped"
    return "baseline" if candidate.baseline else scored


def standing(candidate: Candidate) -> tuple[int, float, float]:
    """Compared in the last rung before others, then scored before unscored, then by what is expected, then by score."""
    if candidate.score is None:
        return (2, 0.0, 0.0)
    return (candidate.outcome == "dropped", -candidate.expected, -candidate.score)


def packed(outputs: np.ndarray) -> list[Any]:
    """Outputs (N, K) for a journal, in single precision: shape and text."""
    return [list(outputs.shape), b64encode(outputs.astype("<f4").tobytes()).decode()]


def unpacked(kept: Sequence[Any]) -> np.ndarray:
    """What `packed` was given."""
    return np.frombuffer(b64decode(kept[1]), "<f4").reshape(kept[0])


def transfers(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that have a score and are no baseline."""
    return [c for c in candidates if c.score is not None and not c.baseline]


def done(trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that were neither late nor failed."""
    return [trial for trial in trials if "seconds" in trial]
