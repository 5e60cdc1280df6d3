"""The race where no label of the target may be read."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from regraft import artifacts
from regraft.candidates import Candidate, told
from regraft.core import catalog
from regraft.core.baseline import BASELINES
from regraft.core.config import entry
from regraft.core.errors import CandidateError, UserError
from regraft.core.seeding import derive
from regraft.course import key
from regraft.data.dataset import Dataset
from regraft.data.examples import Examples
from regraft.data.names import shared
from regraft.data.splits import Split
from regraft.methods._base import Method
from regraft.model import Model, Problem
from regraft.pacing import Key
from regraft.racing import Race
from regraft.selectors._base import Selector
from regraft.training import Engine, run


class BlindRace(Race):
    """Each candidate descends in full once, and a selector that leaves the target's labels alone scores its model.

    `Entrants.select` names the selector.
    """

    def run(self, candidates: Sequence[Candidate], deadline: float) -> list[Candidate]:
        """The candidates with their results, best first; see `Race.run`."""
        trials = dict[Key, dict[str, Any]]()
        with self.bench.reporter.track("race without labels", len(candidates)) as advance:
            for one, trial in self.tried(candidates, 1, 0, deadline):
                trials[one] = trial
                advance(len(trials))
        found = [self._scored(c, trials[key(c)]) for c in candidates]
        return sorted(found, key=_order)

    def ties(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The best alone: nothing says how sure a score without labels is."""
        return sorted((c for c in candidates if c.score is not None), key=_order)[:1]

    def trusted_untried(self, candidate: Candidate) -> bool:
        """Never: what was not tried may have gone anywhere."""
        return False

    def _scored(self, candidate: Candidate, trial: dict[str, Any]) -> Candidate:
        if "score" not in trial:
            one = told(candidate, [trial], [], 1)
            return one if one.outcome == "failed" else replace(one, outcome="skipped")
        score, outcome = trial["score"], "baseline" if candidate.baseline else "finished"
        return replace(
            candidate,
            score=score,
            expected=score,
            seconds=trial["seconds"],
            pace=trial["pace"],
            rung=1,
            outcome=outcome,
        )

    def _left(self, deadline: float, rung: int, trial: dict[str, Any]) -> float:
        return deadline  # each is scored by its one descent, so who is quick may still go where another had no time

    def _divided(self, data: Dataset) -> list[Split]:
        return [(np.arange(len(data)), np.empty(0, dtype=np.int64))]

    def _validate(self, candidate: Candidate, steps: int, fold: int) -> dict[str, Any]:
        source, problem = self.sources[candidate.source], self.problem(candidate)
        method: Method = entry("methods", candidate.method).with_steps(steps)
        start = time.monotonic()
        model = run(source.model, method.phases(problem), problem, Engine(source.training))
        pace = (time.monotonic() - start) / steps
        rule: Selector = entry("selectors", self.entrants.select)
        try:
            score = rule(model, problem)
        except (UserError, ValueError) as error:  # it needs source examples, say
            raise CandidateError(f"the selector {self.entrants.select!r} cannot score it: {error}") from error
        artifacts.save(self._kept(candidate), model, source.backbone, problem.task, {"method": candidate.method})
        return {"score": score, "pace": pace}

    def problem(self, candidate: Candidate) -> Problem:
        """What the candidate learns from: no label of the target is in it."""
        source, data = self.sources[candidate.source], self.entrants.unlabeled[candidate.source]
        return source.problem(data, data, derive(self.bench.seed, "race", 0), self.bench.cache)

    def model(self, candidate: Candidate) -> Model:
        """The model that the race trained; kept for those that have a score, until they are forgotten."""
        return artifacts.load(self._kept(candidate))[0]

    def forget(self, candidates: Sequence[Candidate]) -> None:
        """Remove the models of the race."""
        for candidate in candidates:
            rmtree(self._kept(candidate), ignore_errors=True)

    def _kept(self, candidate: Candidate) -> Path:
        return self.bench.journal.path(f"{self._trial(candidate, 1, 0)}-model")


def unnamed(
    given: Mapping[str, Examples], sources: Sequence[str], target: Examples, methods: Sequence[str] = ()
) -> None:
    """Refuse sources of which none names all classes of the target, as far as their data say so beforehand.

    Nothing is refused where ``methods`` that can do without are named.

    Raises:
        UserError: names a class that is missing.
    """
    lacking = []
    if any(catalog.find("methods", name).opens and name not in BASELINES for name in methods):
        return
    for uri in sources:
        if uri not in given:
            return
        named = shared(target.classes, given[uri].classes)
        missing = [name for place, name in enumerate(target.classes) if place not in named]
        if not missing:
            return
        lacking.append(f"{uri} does not name the class {missing[0]!r}")
    raise UserError(
        f"{'; '.join(lacking)}: without labels only names tell what is what; rename its "
        "classes if it has that one under another name, else take a source that knows it"
    )


def check(select: str) -> None:
    """Refuse a selector that could not choose without labels of the target.

    Raises:
        UserError: there is no such selector, it reads labels of the target, or it compares no models.
    """
    rule = catalog.find("selectors", select)
    if not (rule.withheld and rule.compares):
        rules = {name: catalog.find("selectors", name) for name in catalog.names("selectors")}
        able = [name for name, other in rules.items() if other.withheld and other.compares]
        reads = f"reads {rule.labels}" if rule.compares else "compares no models"
        raise UserError(f"option 'select': {select} {reads}; without labels take one of {', '.join(able)}")


def _order(candidate: Candidate) -> tuple[bool, float]:
    return candidate.score is None, -(candidate.score or 0.0)
