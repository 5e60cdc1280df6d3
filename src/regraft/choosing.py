"""Who wins the race, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from regraft.candidates import CLEARLY, Candidate, difference
from regraft.core.progress import Reporter
from regraft.planning import EVERY
from regraft.racing import EPOCHS, Race


def finalists(race: Race, raced: Sequence[Candidate]) -> list[Candidate]:
    """The transfers that may be the finalist, best first: an ensemble that was kept leads."""
    together = sorted((c for c in raced if c.members and c.outcome == "finished"), key=lambda c: -c.expected)
    return [*together, *alone(race, raced)]


def alone(race: Race, raced: Sequence[Candidate]) -> list[Candidate]:
    """The single transfers that may be the finalist, best first."""
    transfers = race.tie_broken(able(raced))
    if transfers and transfers[0].score is None:  # nothing was tried: the surest method, the most promising source
        transfers.sort(key=lambda c: c.method not in ("logistic", "ridge"))
    untried = [c for c in raced if race.trusted_untried(c)]
    if not untried or any(c.method == "fine_tune" and c.score is not None for c in raced):
        return transfers
    best = min(untried, key=lambda c: race.place[c.source])
    return [best, *(c for c in transfers if c != best)]


def why(race: Race, raced: Sequence[Candidate], chosen: Candidate) -> str:
    """What settled the choice, in a sentence, where the best result of the race did not; empty where that did."""
    first, ties = finalists(race, raced)[0], race.ties(able(raced))
    if chosen == first and chosen.members:
        before, (lead, error) = alone(race, raced)[0], difference(chosen, alone(race, raced)[0])
        return (
            f"{len(chosen.members)} candidates answer together, of which none is clearly worse than the best: nothing "
            f"says which of them is. Beside {before.method} from {before.source} alone they are {lead:+.3f} +- "
            f"{error:.3f} in what candidates are chosen by, on examples that none learned from."
        )
    if chosen != first:
        return f"{first.method} from {first.source} was to be taken, but its training broke down; this was next."
    timed = race.splits or race.entrants.blind
    lacked = "The race had no time:" if timed else "With one label a class nothing can be validated, so nothing raced:"
    if chosen.score is None and race.trusted_untried(chosen):
        return f"{lacked} fine-tuning was taken on trust: it sees each label {EPOCHS} times or more."
    same = [c for c in raced if c.score is not None and c.score == chosen.score]
    if race.entrants.blind and len(same) > 1:
        return f"The selector cannot tell {len(same)} candidates apart: they have one score, and the first was taken."
    if not ties:
        return f"{lacked} the surest method and the source that ranks first are a guess."
    if chosen == ties[0]:
        return ""
    return (
        f"{ties[0].method} from {ties[0].source} did best in the race, but {len(ties)} candidates tie: the best is "
        f"ahead of each by less than {CLEARLY:g} standard errors of the paired difference. Among ties fine-tuning "
        f"comes first, from the source with more votes, so {chosen.method} from {chosen.source} was taken."
    )


def say_left_out(
    reporter: Reporter, asked: Sequence[str], ready: Sequence[Candidate], out: Sequence[Mapping[str, str]]
) -> None:
    """Say why a source is ``out``, or a method that was ``asked`` for, where no source is ``ready`` for it."""
    for row in out:
        if row["method"] == EVERY:
            reporter.say(f"{row['source']} is left out: {row['reason']}")
    reasons = {row["method"]: row["reason"] for row in reversed(out)}
    for name in asked:
        if name in reasons and name not in {c.method for c in ready}:
            reporter.say(f"{name} is left out: {reasons[name]}")


def able(raced: Sequence[Candidate]) -> list[Candidate]:
    """The single transfers that are still in the race, or, where none is, those that did not fail."""
    kept = [c for c in raced if c.outcome == "finished" and not c.members]
    found = kept or [c for c in raced if c.outcome in ("dropped", "skipped") and not c.members]
    return [c for c in found if not c.baseline]


def compared(chosen: Candidate, tried: int) -> str:
    """What the baseline is, in words."""
    if chosen.method != "scratch":
        return f"compared with {chosen.source} as it is"
    name = chosen.source.removeprefix("scratch:")
    choice = f", the better of {tried} by the race" if tried > 1 else ""
    many = f"; {len(chosen.members)} of them answer together, as of the transfer" if chosen.members else ""
    many = f"; trained {chosen.times} times as long, since {chosen.times} transfers are" if chosen.times > 1 else many
    return f"from scratch: {name} without its knowledge{choice}{many}"


def shown(candidate: Candidate) -> dict[str, Any]:
    """A candidate for the result: without what it said of each example."""
    shown = {f.name: getattr(candidate, f.name) for f in fields(candidate) if f.name not in ("by_example", "outputs")}
    return shown | {"members": [{"source": one.source, "method": one.method} for one in candidate.members]}
