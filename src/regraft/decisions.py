"""What a race decided on its way, with its evidence as plain data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from regraft.candidates import Candidate, difference

Trials = Sequence[dict[str, Any]]
"""What trials of one candidate found."""
Decision = dict[str, Any]
"""``step``, a sentence ``said``, and the numbers behind it."""


def cut(step: str, went_on: Sequence[Candidate], scored: Sequence[Candidate], trials: Iterable[Trials]) -> Decision:
    """Who of the ``scored`` went on, and how far each was behind the first, after these ``trials``."""
    seconds = sum(trial.get("seconds", 0.0) for found in trials for trial in found)
    kept = {(c.source, c.method) for c in went_on}
    best = max(scored, key=lambda c: c.expected, default=None)
    rows = [
        {**named(c), "went_on": (c.source, c.method) in kept, "expected": c.expected, **behind(best, c)}
        for c in sorted(scored, key=lambda c: -c.expected)
        if best is not None
    ]
    through = ", ".join(title(c) for c in went_on[:3]) + (f" and {len(went_on) - 3} more" if len(went_on) > 3 else "")
    said = f"{len(went_on)} of {len(scored)} went on: {through or 'nobody'}"
    return {"step": step, "said": f"{said}; this took {seconds:.1f} s", "seconds": seconds, "candidates": rows}


def sources(votes: Mapping[str, float], order: Sequence[str], trials: Sequence[dict[str, Any]]) -> Decision:
    """In which order sources went on, by the ``votes`` of the ranking, of heads on features and of short descents."""
    seconds = sum(trial.get("seconds", 0.0) for trial in trials)
    said = ", then ".join(f"{uri} ({votes[uri]:+.1f})" for uri in order[:3]) + (", ..." if len(order) > 3 else "")
    said = f"{said}: votes in standard errors of the ranking, of heads and of short descents; this took {seconds:.1f} s"
    return {"step": "Sources", "said": said, "seconds": seconds, "votes": {uri: votes[uri] for uri in order}}


def behind(best: Candidate, other: Candidate) -> dict[str, float]:
    """How far one is behind the best, example by example, with the standard error of that."""
    lead, error = difference(best, other)
    return {"behind": lead, "error": error}


def named(candidate: Candidate) -> dict[str, Any]:
    """Which candidate it is."""
    return {"source": candidate.source, "method": candidate.method}


def title(candidate: Candidate) -> str:
    """The same in words."""
    return f"{candidate.method} from {candidate.source}"


def planned(plan: Mapping[str, Any], clock: Mapping[str, Any]) -> Decision:
    """What the budget affords. ``clock``: seconds of the budget, after which no trial starts, and for the finish."""
    said = f"full descents of {plan['steps']} steps, {plan['folds']} folds, {plan['seeds']} seeds"
    if plan["timed"] and clock["budget"] is not None:
        said += f"; no trial after {clock['deadline']:.0f} s, for the finish about {clock['reserve']:.0f} s are left"
    return {"step": "Plan", "said": said + (f"; {plan['note']}" if plan["note"] else ""), "plan": dict(plan), **clock}


def combined(choice: Candidate, told: Sequence[Candidate]) -> Decision:
    """Whether finalists answer together: how far each ensemble is ahead of the ``choice`` alone."""
    rows = []
    for one in told:
        lead, error = difference(one, choice)
        members, kept = [named(member) for member in one.members], one.outcome == "finished"
        rows.append({**named(one), "members": members, "went_on": kept, "ahead": lead, "error": error})
    together = [one for one in told if one.outcome == "finished"]
    said = f"{title(together[0])} answer together" if together else f"{title(choice)} answers alone"
    return {"step": "Ensembles", "said": said, "candidates": rows}


def finished(pair: Sequence[Candidate], steps: Sequence[int], seeds: int, why: str) -> Decision:
    """Who was trained to be judged, and what settled that."""
    ours, theirs = pair
    said = f"{title(ours)} was trained with {seeds} seeds of {steps[0]} steps, {title(theirs)} of {steps[1]}"
    best = "" if ours.members else " It did best in the race."
    reason = f" {why or best.strip()}".rstrip()
    numbers = {"steps": list(steps), "seeds": seeds, "baseline": {**named(theirs), "reason": theirs.reason}}
    return {"step": "Finish", "said": f"{said}.{reason}", **named(ours), **numbers}
