"""What every step of a run works with: where it records, remembers, reports and computes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regraft.core.progress import Reporter
from regraft.crew import Crew, Order, Work
from regraft.data.dataset import Dataset, whole
from regraft.data.decoding import decoded, trim
from regraft.data.examples import Examples
from regraft.preprocessing._base import Preprocess
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime
from regraft.training import Engine, Progress

CACHE_BYTES = 4 << 30
"""Decoded examples, and features, are each remembered up to this size; the least recently used go first."""


def bounded(cache: Path) -> Path:
    """``cache``, with what is remembered there cut to size."""
    for kind in ("decoded", "features"):
        trim(cache / kind, CACHE_BYTES)
    return cache


@dataclass(frozen=True)
class Bench:
    """The workplace of one run. ``runtime`` is what the options ask for; ``measure`` whether precision is measured.

    ``crew``: who does the trials.
    """

    journal: Journal
    clock: Clock
    reporter: Reporter
    runtime: Runtime
    measure: bool
    seed: int
    cache: Path | None
    crew: Crew = field(default_factory=Crew)
    learned: Journal | None = None
    """Where sources that are trained here are kept, if several runs on parts of one target share them."""

    def each(self, orders: Iterable[Order], work: Work) -> Iterator[tuple[Order, dict[str, Any]]]:
        """The orders with their results, each written in the journal as it is done; see `Crew.each`."""
        for order, value in self.crew.each(orders, work):
            self.journal.write(order.name, value)
            self.clock.stamp()
            yield order, value

    def dataset(self, examples: Examples, preprocess: Preprocess) -> Dataset:
        """The examples decoded, remembered in the cache."""
        return whole(examples, decoded(examples, preprocess, self.cache))

    @contextmanager
    def engine(self, what: str, runtime: Runtime, steps: int) -> Iterator[Engine]:
        """What a training of ``steps`` steps runs on, shown as ``what``. Its checkpoint goes when it is done."""
        path = self.journal.path(f"{what}.checkpoint")
        with self.reporter.track(what, steps) as advance:
            yield Engine(runtime, _counting(advance), path)
        path.unlink(missing_ok=True)


def _counting(advance: Callable[[int], None]) -> Callable[[Progress], None]:
    done: dict[int, int] = {}  # phase to steps: phases follow each other

    def log(progress: Progress) -> None:
        done[progress.phase] = progress.step
        advance(sum(done.values()))

    return log
