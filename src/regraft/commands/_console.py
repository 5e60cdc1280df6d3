"""Progress and messages on stderr: a live bar in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from regraft.core.duration import readable
from regraft.core.progress import Reporter

_EVERY = 10.0
"""Seconds between lines where there is no terminal."""


class Console(Reporter):
    """Shows a user where the work is."""

    def __init__(self) -> None:
        self._terminal = Terminal(stderr=True, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        if self._terminal.is_terminal:
            bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            speed = (TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
            self._progress = Progress(*bar, *speed, console=self._terminal, transient=True)
            self._progress.start()

    def say(self, text: str) -> None:
        """See `Reporter.say`."""
        self._terminal.print(text, markup=False, emoji=False)

    @contextmanager
    def track(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """See `Reporter.track`."""
        start = last = time.monotonic()
        task = self._progress.add_task(what, total=total, rate="") if self._progress else None

        def advance(done: int) -> None:
            nonlocal last
            now = time.monotonic()
            rate = done / max(now - start, 1e-9)
            if self._progress is not None and task is not None:
                self._progress.update(task, completed=done, rate=f"{rate:.3g}/s")
            elif now - last > _EVERY:
                last = now
                # The first few are slow, and say nothing of the rest.
                left = f", {rate:.3g}/s, {readable((total - done) / rate)} left" if 20 * done >= total else ""
                print(f"{what}: {done}/{total}{left}", file=sys.stderr, flush=True)

        try:
            yield advance
        finally:
            if self._progress is not None and task is not None:
                self._progress.remove_task(task)

    def close(self) -> None:
        """Leave the terminal clean."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
