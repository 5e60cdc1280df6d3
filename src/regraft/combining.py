"""Finalists that answer together: the mean of what several candidates predict, none of which is surely better."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from regraft.candidates import Candidate, clearly_better, difference
from regraft.choosing import able, alone
from regraft.course import cost, descends
from regraft.decisions import combined
from regraft.racing import JOINT, LEAD, Race
from regraft.tasks._choice import task_for

Affords = Callable[[Race, Sequence[Candidate], int, int], bool]
"""Whether the finish has time for a transfer and what it meets, for so many steps and seeds."""


def with_ensembles(race: Race, raced: Sequence[Candidate], affords: Affords) -> list[Candidate]:
    """The candidates, and the ensembles of the team with what became of them: the largest that is affordable is kept.

    Where one is kept, baselines become its rivals.
    """
    singles, scratch = alone(race, raced), next(c for c in raced if c.baseline)
    if not race.entrants.together or not singles or singles[0].score is None:
        return list(raced)
    choice, found = singles[0], ensembles(race, team(race, raced))
    asked = [[one, rival(race, scratch, one)] for one in found]
    afforded = [affords(race, pair, race.plan.steps, race.plan.seeds) for pair in asked]
    settlement = settled(choice, found, race.bench.journal.once("ensembles", lambda: afforded))
    race.decisions += [combined(choice, settlement)] if settlement else []
    kept = next((one for one in settlement if one.outcome == "finished"), None)
    return [*(rival(race, c, kept) if kept and c.outcome == "baseline" else c for c in raced), *settlement]


def team(race: Race, raced: Sequence[Candidate]) -> list[Candidate]:
    """Who may answer together: joint training, else the lead, and the best head of the first source; the second's lead.

    Those that are clearly worse than the best of all candidates are left out, and those of which no predictions were
    kept.
    """
    ties = [c for c in race.ties(able(raced)) if c.outputs is not None and (c.rung or not descends(c))]
    order = sorted(race.turn, key=lambda uri: race.turn[uri])[:2]
    ours, theirs = ([c for c in ties if c.source == uri] for uri in (*order, "")[:2])
    trained = [c for name in (JOINT, LEAD) for c in ours if c.method == name]
    heads = sorted((c for c in ours if not descends(c)), key=lambda c: -c.expected)
    members = [*trained[:1], *heads[:1], *(c for c in theirs if c.method == LEAD)]
    return [c for c in members if _outputs(c).shape[1:] == _outputs(members[0]).shape[1:]]


def ensembles(race: Race, members: Sequence[Candidate]) -> list[Candidate]:
    """The ensembles of all ``members``, of all but the last, and so on.

    Nothing is trained for them: the mean of the members' out-of-fold predictions is what they would have predicted
    together.
    """
    return [_together(race, members[:many]) for many in range(len(members), 1, -1)]


def settled(choice: Candidate, found: Sequence[Candidate], afforded: Sequence[bool]) -> list[Candidate]:
    """The ensembles with what became of them: the first that is affordable and not clearly worse than ``choice`` alone.

    ``afforded``: whether the finish has time for it and for as much from scratch.
    """
    found_out = list[Candidate]()
    for one, time in zip(found, afforded, strict=True):
        (lead, error), taken = difference(one, choice), any(c.outcome == "finished" for c in found_out)
        kept = time and not taken and not clearly_better(choice, one)
        reason = f"{lead:+.3f} +- {error:.3f} to {choice.method} alone"
        reason += "" if time else "; the finish has no time for it"
        found_out.append(replace(one, outcome="finished" if kept else "dropped", reason=reason))
    return found_out


def rival(race: Race, baseline: Candidate, ensemble: Candidate) -> Candidate:
    """What an ensemble is compared with: as much time for networks from scratch, or a little more.

    Half of the time is for more of them, which answer together, the other half for longer descents.
    """
    times = max(
        1.0, sum(cost(one) for one in ensemble.members if descends(one))
    )  # that of a network from scratch is one
    many = max(1, int(times) // 2)
    longer = replace(baseline, times=math.ceil(times / many - 1e-9))
    if many == 1:
        return longer
    return replace(longer, members=tuple(replace(longer, draw=draw) for draw in range(many)))


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
