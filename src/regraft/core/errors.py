"""The exceptions that a user, or the race, can act on."""

from collections.abc import Iterable
from difflib import get_close_matches

MANY = 24
"""As many names stand in one sentence."""


class UserError(Exception):
    """A mistake in what was asked: one sentence that names the thing and the fix; exit code 2."""


class FutileError(UserError):
    """Nothing of what was asked for can be done, nor on resuming: a folder that was made for it is of no use."""


class CandidateError(Exception):
    """Training cannot go on (not a number, out of memory): it ends one candidate, never the run."""


def unknown(what: str, name: str, known: Iterable[str], listed: str = "") -> UserError:
    """The error for a name that does not exist: the nearest name if one is near, else all, or the first of many.

    ``listed``: the command that lists them all.
    """
    names = sorted(known)
    near = get_close_matches(name, names, 1, 0.5)
    more = f", and {len(names) - MANY} more" if len(names) > MANY else ""
    every = f" ({listed} lists them)" if listed else ""
    fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names[:MANY])}{more}{every}"
    return UserError(f"no {what} named {name!r}; {fix}")
