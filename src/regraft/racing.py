"""The race: sources x methods, by cross-validated utility on the labelled target, the weak dropped early."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from regraft.bench import Bench
from regraft.candidates import (
    Candidate,
    Entrants,
    Plan,
    clearly_better,
    done,
    hopeless,
    outcome,
    standing,
    told,
    transfers,
)
from regraft.core.config import entry
from regraft.core.records import PASSED_OVER
from regraft.course import SHORT, Course, cost, descends, key
from regraft.data.dataset import Dataset
from regraft.decisions import cut, sources
from regraft.expecting import drawn_together, levelled
from regraft.pacing import Key
from regraft.ranking import LOUDEST

FIRST = 0.5
"""Share of the race's time after which the first rung starts nothing new."""
SEEN = 200
"""Examples by which heads on remembered features are compared, where there are so many."""
RIVALS = 2
"""Baselines that go on after the first fold, and on how many folds they are compared."""
LIGHT = 0.1
"""Relative cost up to which a method is as good as free: it descends on remembered features."""
SHARE = 0.05
"""What descents of the race may cost beyond those it needs, as a share of all candidates in full over the seeds."""
LEAD, JOINT = "fine_tune", "joint"
"""The method that sources are told apart by, and the one that learns from their data too."""
PREFERRED = (LEAD, JOINT, "deep_coral")
"""Methods that always descend in full from the first source."""
EPOCHS = 5
"""Passes over the labels below which fine-tuning is not taken on trust."""

Trials = dict[Key, list[dict[str, Any]]]
"""What each trial of each candidate found, fold by fold."""


class Race(Course):
    """Runs candidates over the rungs, and says which are tied."""

    def __init__(
        self, entrants: Entrants, train: Mapping[str, Dataset], plan: Plan, place: Mapping[str, int], bench: Bench
    ) -> None:
        super().__init__(entrants, train, plan, place, bench)
        self.turn = dict(place)
        self._ended: dict[Key, str] = {}
        self.decisions: list[dict[str, Any]] = []

    def run(self, candidates: Sequence[Candidate], deadline: float) -> list[Candidate]:
        """The candidates with their results, best first. ``deadline``: seconds on the clock after which none starts.

        What needs no descent and a short descent from each source put the sources in order. Several methods then
        descend in full from the first source, and one from the second. One for which there is no time stands by its
        short descent, which says too little of it rather than too much. Baselines run in the first rung only.
        """
        if not self.splits:
            reason = "one label a class: nothing to validate on"
            return [replace(c, outcome="skipped", reason=reason) for c in candidates]
        begun = self.bench.clock.spent
        half = begun + FIRST * (deadline - begun)
        scratch, ahead = [c for c in candidates if c.baseline], leads(candidates)
        heads = [c for c in candidates if not c.baseline and not descends(c)]
        short = self._trials(scratch[:1], 0, 1, half) | self._trials(heads, 0, self._enough(), half)
        short |= self._trials(ahead, 0, 1, half) | self._trials(scratch, 0, 1, half)
        tried = sorted(self._summed(scratch, short), key=lambda c: (c.score is None, -c.criterion))
        lesser = [key(c) for c in tried[RIVALS:] if c.score is not None]
        short |= self._trials([c for c in scratch if key(c) not in lesser], 0, min(RIVALS, len(self.splits)), half)
        self._put_in_order(heads, ahead, short)
        through, folds = self._through(candidates)
        full = self._trials(through, 1, folds, deadline)
        short |= self._trials(heads, 0, max(folds, self._enough()), deadline)  # those that are there cost nothing
        first = self._summed([*scratch, *heads, *ahead], short)
        second = self._summed([*heads, *through], short | full, short)
        still = [c for c in second if key(c) not in self._ended]
        self.decisions.append(cut("Full descents", still, transfers(second), full.values()))
        results = {key(c): replace(c, outcome="skipped", reason=PASSED_OVER) for c in candidates}
        results |= {key(c): replace(c, outcome=outcome(c, "dropped")) for c in first}
        results |= {
            one: replace(results[one], outcome="dropped", reason="other baselines did better") for one in lesser
        }
        results |= {key(c): self._settled(c) for c in second}
        return sorted(results.values(), key=standing)

    def _enough(self) -> int:
        """How many folds have `SEEN` examples together, or all."""
        seen = np.cumsum([len(valid) for _, valid in self.splits])
        return min(len(seen), int(np.searchsorted(seen, SEEN)) + 1)

    def _put_in_order(self, heads: Sequence[Candidate], leads: Sequence[Candidate], short: Trials) -> None:
        """Order the sources by the votes of the ranking and of what was found of each."""
        votes = {uri: self.entrants.votes.get(uri, 0.0) for uri in self.place}
        for each in (heads, leads):
            scored = [c for c in (told(c, short[key(c)], done(short[key(c)]), 0) for c in each) if c.score is not None]
            for source, vote in voted(scored).items():
                votes[source] += vote
        ordered = sorted(votes, key=lambda uri: (-votes[uri], self.place[uri]))
        self.turn = {uri: turn for turn, uri in enumerate(ordered)}
        self.decisions.append(sources(votes, ordered, [t for c in (*heads, *leads) for t in short[key(c)]]))

    def _through(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], int]:
        """Who descends in full, the first ones first, and on how many folds.

        From the first source those `PREFERRED`, or all where methods were asked for, and from the second its lead;
        then others from the first, and further folds, as far as `SHARE` goes.
        """
        able = [c for c in candidates if not c.baseline and descends(c)]
        order, ahead = sorted({c.source for c in able}, key=lambda uri: self.turn[uri]), leads(candidates)
        first = [c for c in able if c.source == order[0]] if order else []
        through = needed(first, self.entrants.methods) + [c for c in ahead if order[1:2] == [c.source]]
        left = SHARE * self.plan.seeds * sum(map(self._worth, able))
        left -= SHORT * sum(map(self._worth, ahead)) + sum(map(self._worth, through))
        for c in first:
            if c not in through and self._worth(c) <= left:
                through.append(c)
                left -= self._worth(c)
        more = int(left // max(1e-9, sum(map(self._worth, through))))
        return through, min(len(self.splits), max(1, 1 + more)) if not self.entrants.methods else len(self.splits)

    def _worth(self, candidate: Candidate) -> float:
        """What a full descent costs, as far as that is known before any."""
        return self.steps(candidate) * cost(candidate) * self._cost(self.sources[candidate.source])

    def _settled(self, candidate: Candidate) -> Candidate:
        """A candidate of the second rung with its outcome: only those that were not ended early are kept."""
        ended = self._ended.get(key(candidate), "")
        found = outcome(candidate, "dropped" if ended else "finished")
        return replace(candidate, outcome=found, reason=candidate.reason or ended)

    def tie_broken(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates, best first; those that are not clearly behind the best go by what is known beforehand.

        That is fine-tuning before other methods, and of several the one whose source has more votes. Clearly: by more
        than `CLEARLY` standard errors of the difference, example by example.
        """
        ordered = sorted(candidates, key=standing)
        tied = self.ties(ordered)
        preferred = sorted(tied, key=lambda c: (c.method != LEAD, self.turn[c.source] if c.method == LEAD else 0))
        return preferred + [c for c in ordered if c not in tied]

    def ties(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidate that came first and those that it is not clearly better than, best first; see `tie_broken`."""
        scored = sorted((c for c in candidates if c.score is not None), key=standing)
        return [c for c in scored if not clearly_better(scored[0], c)]

    def trusted_untried(self, candidate: Candidate) -> bool:
        """Whether what the race had no time for may be chosen all the same: fine-tuning, given enough steps.

        Short of `EPOCHS` passes over the labels, heads on frozen features are the safer guess.
        """
        late = candidate.method == "fine_tune" and candidate.score is None and candidate.outcome == "skipped"
        batch = entry("methods", "fine_tune").descent.batch_size
        return late and self.plan.race and self.plan.steps * batch >= EPOCHS * len(self._data(candidate))

    def _trials(self, candidates: Sequence[Candidate], rung: int, folds: int, deadline: float) -> Trials:
        """The trials of a rung, fold after fold, so that when time runs out candidates were seen on the same examples.

        In the second rung nobody overtakes one who had no time: a full descent looks better than a short one whatever
        the method; and after each fold the hopeless are ended.
        """
        trials: Trials = {key(c): [] for c in candidates}
        going, done = list(candidates), 0
        with self.bench.reporter.track(f"race, rung {rung + 1} of 2", len(candidates) * folds) as advance:
            for fold in range(folds):
                able = [c for c in going if all("seconds" in trial for trial in trials[key(c)])]  # not failed or late
                done += len(going) - len(able)
                for one, trial in self.tried(able, rung, fold, deadline):
                    trials[one].append(trial)
                    self.paces.note(one, trial, len(self.splits[fold][0]))
                    done += 1
                    advance(done)
                    deadline = self._left(deadline, rung, trial)
                if rung and fold + 1 < folds:
                    going = self._hopeful(going, trials)
        return trials

    def _hopeful(self, going: Sequence[Candidate], trials: Trials) -> list[Candidate]:
        """Those of the second rung that may still be chosen; of the others it is noted how far they were behind."""
        seen = [told(c, trials[key(c)], done(trials[key(c)]), 1) for c in going if done(trials[key(c)])]
        self._ended |= {key(c): reason for c, reason in hopeless(seen)}
        return [c for c in going if key(c) not in self._ended]

    def _summed(self, candidates: Sequence[Candidate], trials: Trials, short: Trials | None = None) -> list[Candidate]:
        """The candidates with what their trials say.

        ``short``: in the second rung, the trials of the first; who was late stands by these.
        """
        results = []
        for c in candidates:
            mine, length = trials[key(c)], int(short is not None and descends(c))
            if short is not None and "late" in mine[0] and key(c) in short:
                c, mine, length = replace(c, reason=mine[0]["late"]), short[key(c)], 0
            results.append(told(c, mine, done(mine), length))
        return drawn_together(levelled(results))


def leads(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of each source the candidate that it is told from others by: fine-tuning, or the first that descends."""
    found = dict[str, Candidate]()
    for c in candidates:
        if not c.baseline and descends(c) and (c.source not in found or c.method == LEAD):
            found[c.source] = c
    return list(found.values())


def needed(first: Sequence[Candidate], asked: Sequence[str]) -> list[Candidate]:
    """Who of the ``first`` source's candidates surely descends in full: all where methods were ``asked`` for."""
    light = [c for c in first if cost(c) <= LIGHT]
    usual = [c for c in first if descends(c) and (c.method in PREFERRED or c in light or c in leads(first))]
    every = [c for c in first if descends(c)] if asked else usual
    return sorted(every, key=lambda c: PREFERRED.index(c.method) if c.method in PREFERRED else len(PREFERRED))


def voted(scored: Sequence[Candidate]) -> dict[str, float]:
    """What candidates of one sort say of their sources: how far each is from the mean of all, in standard errors.

    At most `LOUDEST`; of several candidates of a source their mean counts, example by example.
    """
    sources, many = sorted({c.source for c in scored}), min((len(c.by_example) for c in scored), default=0)
    if len(sources) < 2:
        return {}
    each = np.stack([np.mean([c.by_example[:many] for c in scored if c.source == s], 0) for s in sources])
    apart = each - each.mean(0)
    votes = apart.mean(1) / np.maximum(apart.std(1) / many**0.5, 1e-9)
    return dict(zip(sources, votes.clip(-LOUDEST, LOUDEST).tolist(), strict=True))
