"""Finalists that answer together: ensembles, compared on the same out-of-fold predictions as everyone else."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from regraft.candidates import CLEARLY, Candidate, difference, done, told
from regraft.choosing import able, finalists
from regraft.decisions import combined
from regraft.racing import Race
from regraft.tasks._choice import task_for

MOST = 3
"""Members of an ensemble, at most."""


Affords = Callable[[Race, Sequence[Candidate], int, int], bool]
"""Whether the finish has time for a transfer and what it meets, for so many steps and seeds."""


def with_ensembles(race: Race, raced: Sequence[Candidate], affords: Affords) -> list[Candidate]:
    """The candidates, and the ensembles of the best of them with what became of them.

    Where one is kept, baselines become its rivals.
    """
    choice = finalists(race, raced)[0]
    others = sorted((c for c in able(raced) if c != choice and c.score is not None), key=lambda c: -c.expected)
    found = [] if race.entrants.blind or choice.score is None else ensembles(race, [choice, *others])
    steps, seeds = race.plan.steps, race.plan.seeds
    scratch, trials = next(c for c in raced if c.baseline), math.ceil(2 * len(race.splits) / seeds)
    rivals = [[replace(scratch, times=len(one.members))] * (1 + trials) for one in found]  # it is raced, too
    afforded = [affords(race, [one, *theirs], steps, seeds) for one, theirs in zip(found, rivals, strict=True)]
    settlement = settled(choice, found, race.bench.journal.once("ensembles", lambda: afforded))
    race.decisions += [combined(choice, settlement)] if settlement else []
    many = max((len(one.members) for one in settlement if one.outcome == "kept"), default=0)
    return [*(rival(race, c, many) if many and c.outcome == "baseline" else c for c in raced), *settlement]


def ensembles(race: Race, best: Sequence[Candidate]) -> list[Candidate]:
    """The ensembles of the first two and of the first three of ``best``, of which the first is the choice so far.

    Nothing is trained for them: the mean of the members' out-of-fold predictions is what they would have predicted
    together. Those that were not raced in full, or of which no predictions were kept, are passed over; without the
    choice there is none.
    """
    full = [c for c in best if c.outputs is not None and (c.rung or not race.descends(c))]
    if not full or full[0] != best[0]:
        return []
    able = [c for c in full if _width(c) == _width(full[0])]
    return [_together(race, able[:many]) for many in range(2, min(MOST, len(able)) + 1)]


def settled(choice: Candidate, found: Sequence[Candidate], afforded: Sequence[bool]) -> list[Candidate]:
    """The ensembles with what became of them: only one that is clearly better than the ``choice`` alone is kept.

    Ties go to the simpler. ``afforded``: whether the finish has time for it and for as many networks from scratch.
    """
    found_out = []
    for one, time in zip(found, afforded, strict=True):
        lead, error = difference(one, choice)
        reason = (
            f"{lead:+.3f} +- {error:.3f} to {choice.method} alone{'' if time else '; the finish has no time for it'}"
        )
        outcome = "kept" if lead > CLEARLY * error and time else "dropped"
        found_out.append(replace(one, outcome=outcome, reason=reason))
    return found_out


def rival(race: Race, baseline: Candidate, many: int) -> Candidate:
    """What an ensemble of ``many`` is compared with: the better use of the same time from scratch.

    That is one network that trains ``many`` times as long, or as many networks that answer together, by the race's
    own cross-validation in full; the longer one where that breaks down.
    """
    longer = _in_full(race, replace(baseline, times=many))
    each = [_in_full(race, replace(baseline, draw=draw)) for draw in range(many)]
    if longer.score is None or any(c.outputs is None for c in each):
        return replace(baseline, times=many)
    several = replace(_together(race, each), source=baseline.source, method=baseline.method, first=baseline.first)
    better = several if several.criterion > longer.criterion else replace(longer, outcome="baseline")
    lead, error = difference(several, longer)
    said = f"{many} networks from scratch together against one trained {many} times as long: {lead:+.3f} +- {error:.3f}"
    return replace(better, outcome="baseline", reason=said)


def _in_full(race: Race, candidate: Candidate) -> Candidate:
    """A candidate with what full descents on all folds find, whatever the time."""
    each = (race.tried([candidate], 1, fold, float("inf")) for fold in range(len(race.splits)))
    trials = [trial for found in each for _, trial in found]
    return told(candidate, trials, done(trials), 1)


def _together(race: Race, members: Sequence[Candidate]) -> Candidate:
    """One ensemble over the folds that all members have; what it adds to their results is expected of it too."""
    first, folds = members[0], min(c.folds for c in members)
    splits, data = race.splits[:folds], race.train[first.source]
    ends = np.cumsum([len(valid) for _, valid in splits])
    parts = np.split(np.mean([_outputs(c)[: ends[-1]] for c in members], 0), ends[:-1])
    found, likely = list[np.ndarray](), list[np.ndarray]()
    for part, (learn, valid) in zip(parts, splits, strict=True):
        task = task_for(data.take(learn).examples)  # as in the members' trials: units are those of what was learned
        found.append(task.utility(part, data.labels[valid]))
        likely.append(task.criterion(part, data.labels[valid]))
    utility, each = np.concatenate(found), np.concatenate(likely)
    adds = float(each.mean() - np.mean([c.by_example[: ends[-1]] for c in members]))
    return Candidate(
        " and ".join(dict.fromkeys(c.source for c in members)),
        " with ".join(c.method for c in members),
        score=float(utility.mean()),
        error=float(utility.std() / len(utility) ** 0.5),
        criterion=float(each.mean()),
        expected=float(np.mean([c.expected for c in members])) + adds,
        by_example=tuple(np.round(each, 4).tolist()),
        folds=folds,
        rung=max(c.rung for c in members),
        members=tuple(members),
    )


def _outputs(candidate: Candidate) -> np.ndarray:
    assert candidate.outputs is not None  # those without are passed over
    return candidate.outputs


def _width(candidate: Candidate) -> tuple[int, ...]:
    return _outputs(candidate).shape[1:]
