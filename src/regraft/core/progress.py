"""How long work tells where it is; a command shows it, a library call stays silent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Reporter:
    """Takes messages and progress, and says nothing. Commands use one that does.

    ``hint``: how to go on after an interruption; whoever starts work that can be resumed sets it. ``begun``: when the
    command did, by ``time.monotonic``, before its libraries were loaded; None: when the work does.
    """

    hint: str = ""
    begun: float | None = None

    def say(self, text: str) -> None:
        """One line that a user should read."""

    @contextmanager
    def track(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """A piece of work of ``total`` units; the value takes the units done so far."""
        yield lambda done: None
