"""What the verdict owes to each source and to each part of the finalist: the same without it, on the same holdout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from regraft import guard
from regraft.core.batch import Stream
from regraft.core.config import entry
from regraft.core.errors import CandidateError
from regraft.core.records import Evaluation
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.evaluation import predict
from regraft.finishing import Finish, Part, Team
from regraft.methods._base import Method, Need
from regraft.model import Model
from regraft.sources import Source
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised
from regraft.training import Engine, Phase, run

Drops = Callable[[Weighted], bool]
"""Whether a term is left out."""


@dataclass(frozen=True)
class Without:
    """The finalist without a ``part``, trained for ``steps`` steps; of a method's terms those that it ``drops`` go."""

    part: str
    finish: Finish
    method: str
    steps: int
    drops: Drops | None = None

    def phases(self, seed: int) -> tuple[Phase, ...]:
        """What trains it in the repetition ``seed``."""
        method: Method = entry("methods", self.method).with_steps(self.steps)
        return tuple(_less(phase, self.drops) for phase in method.phases(self.finish.problem(seed)))

    def utility(self, seed: int, holdout: Dataset) -> np.ndarray:
        """Of each example of the holdout (N,), in the units of the finalist."""
        finish, problem = self.finish, self.finish.problem(seed)
        model = run(finish.source.model, self.phases(seed), problem, Engine(finish.source.training))
        found = predict(model, holdout, finish.source.backbone.preprocess, problem.task, finish.source.inference)
        return np.asarray(problem.task.utility(found, holdout.labels))


@dataclass(frozen=True)
class Fewer(Without):
    """An ensemble without some of its members: what the ``rest`` of them, trained already, predict together."""

    rest: tuple[Part, ...] = ()
    aside: Callable[[Source], Dataset] | None = None

    def utility(self, seed: int, holdout: Dataset) -> np.ndarray:
        """See `Without.utility`."""
        assert self.aside is not None
        said = [part.measure(name, seed + 1, self.aside(part.source)).outputs[seed] for part, name, _ in self.rest]
        return np.asarray(self.finish.problem(seed).task.utility(np.mean(said, 0), holdout.labels))


def fewer(team: Team, aside: Callable[[Source], Dataset]) -> list[tuple[Without, Dataset]]:
    """An ensemble without each of its members, and without each source that several of them are from."""
    holdout, found = aside(team.parts[0][0].source), dict[str, tuple[Part, ...]]()
    for one in team.parts:
        found[f"{one[1]} from {one[0].source.uri}"] = tuple(each for each in team.parts if each is not one)
    for uri in dict.fromkeys(part.source.uri for part, _, _ in team.parts):
        rest = tuple(each for each in team.parts if each[0].source.uri != uri)
        if 0 < len(rest) < len(team.parts) - 1:
            found[f"the source {uri}"] = rest
    return [(Fewer(name, team, "", 0, rest=rest, aside=aside), holdout) for name, rest in found.items()]


def parts(finish: Finish, method: str, steps: int) -> list[Without]:
    """The finalist without the source's weights, without its data, and without what is added to the supervised loss.

    Only what it has, and can be left out: a method that is fitted to source examples in closed form has no such term.
    """
    source, whole = finish.source, Without("", finish, method, steps)
    found = []
    if source.learns:
        found.append(replace(whole, part="the source's weights", finish=replace(finish, source=_fresh(source, finish))))
    if source.domain is not None and Need.SOURCE_DATA in entry("methods", method).uses:
        alone = replace(finish, source=replace(source, domain=None))
        found.append(replace(whole, part="the source's data", finish=alone))
    terms = [w for phase in whole.phases(0) for w in phase.terms.values()]
    for part, drops in (("the source's data", _of_source), ("what is added to the loss", _added)):
        dropped = [w for w in terms if drops(w)]
        if dropped and any(_learns(w) and not drops(w) for w in terms):
            found.append(replace(whole, part=part, drops=drops))
    return found


def variants(
    found: Sequence[tuple[Finish, str, int]], aside: Callable[[Source], Dataset]
) -> list[tuple[Without, Dataset]]:
    """The finalist, first of what is ``found``, without its parts; then, without its source, the choice from others.

    ``found``: what to train on, the method and its steps; ``aside``: the holdout as a source decodes it. Without any
    other source of the run the choice would be the same, so there is nothing to measure.
    """
    made = parts(*found[0])
    for finish, method, steps in found[1:]:
        name = f"the source {found[0][0].source.uri} (then {method} from {finish.source.uri})"
        made.append(Without(name, finish, method, steps))
    return [(one, aside(one.finish.source)) for one in made]


def measured(
    variants: Sequence[tuple[Without, Dataset]], ours: Evaluation, level: float, seconds: float
) -> list[dict[str, Any]]:
    """For each variant, with the holdout as its source decodes it, the gain of the finalist over it, paired by seeds.

    ``ours``: what the finalist made of the holdout. ``seconds``: what a variant is expected to take, where the budget
    must have room for it; 0 measures all. Describes; chooses nothing.
    """
    rows = list[dict[str, Any]]()
    for without, holdout in variants:
        bench = without.finish.bench
        if seconds and bench.clock.left(0.9) < 1.5 * seconds:
            break
        try:
            theirs = np.stack([without.utility(seed, holdout) for seed in range(len(ours.utility))])
        except CandidateError as error:
            rows.append({"part": without.part, "reason": str(error)})
            continue
        verdict = guard.judge(ours.utility, theirs, ours.groups, level)
        gain = {key: getattr(verdict.gain, key) for key in ("mean", "low", "high")}
        rows.append({"part": without.part, "without": float(theirs.mean()), "gain": gain, "p": verdict.tests["gain_p"]})
        bench.clock.stamp()
    return rows


def _fresh(source: Source, finish: Finish) -> Source:
    """The same network, untrained."""
    torch.manual_seed(derive(finish.bench.seed, "contributions"))
    blank = Model(source.backbone.build(pretrained=False), nn.Identity(), ())
    return replace(source, model=blank, frozen_norm=False)


def _less(phase: Phase, drops: Drops | None) -> Phase:
    kept = {name: w for name, w in phase.terms.items() if drops is None or not drops(w)}
    return replace(phase, terms=kept)


def _learns(weighted: Weighted) -> bool:
    """Whether it is the supervised loss on the target."""
    return isinstance(weighted.term, Supervised) and weighted.term.stream is Stream.TARGET


def _of_source(weighted: Weighted) -> bool:
    return Stream.SOURCE in weighted.term.needs


def _added(weighted: Weighted) -> bool:
    """Whether it is neither supervised loss nor learned with source examples."""
    return not isinstance(weighted.term, Supervised)
