"""Who does the trials of a run: this process, or several workers side by side. See docs/decisions/side-by-side.md."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from regraft.core.errors import UserError

TRIES = 2
"""Workers that may die over one order before it counts as failed."""


@dataclass(frozen=True)
class Order:
    """A piece of a run that can be done in another process, because it holds plain values only.

    ``name``: of its result in the journal. ``what``: the part of a run that can do it. ``given``: what that is told.
    """

    name: str
    what: str
    given: tuple[Any, ...]


Work = Callable[[Order], dict[str, Any]]
"""Does an order. Its result is JSON; ``{"failed": reason}`` where that ends a candidate."""


@dataclass(frozen=True)
class Place:
    """Where a worker finds the run and what it may use; every path means the same to all of them.

    ``folder``: of the run; ``cache``: of decoded examples and features; ``here``: what relative paths begin at;
    ``path``: where Python finds modules; ``same``: Regraft's version and the fingerprint of the examples to learn from,
    which must be the worker's too; ``device``; ``threads``: of the processor.
    """

    folder: Path
    cache: Path
    here: Path
    path: tuple[str, ...]
    same: tuple[str, str]
    device: str
    threads: int


Opener = Callable[[Place], Work]
"""Opens the run in a worker: a function of a module, which processes find by its name."""


class WorkerError(Exception):
    """A worker died over an order; says how."""


class Hand(Protocol):
    """One worker, as the run sees it."""

    def do(self, order: Order) -> "Answer":
        """Have an order done, and wait for it; raises `WorkerError` where the worker dies."""

    def close(self) -> None:
        """End the worker, whatever it does."""


Answer = dict[str, Any] | Exception
"""What a worker says: a result, or the error that the run is to end with."""


class Desk:
    """The worker's own side: opens the run with the first order, then does what it is told."""

    def __init__(self, opener: Opener, place: Place) -> None:
        self._opener, self._place = opener, place
        self._work: Work | None = None

    def do(self, order: Order) -> Answer:
        """The result of an order. An error that a user cannot act on comes as its text: not all survive a journey."""
        try:
            self._work = self._work or self._opener(self._place)
            return self._work(order)
        except (UserError, OSError) as error:
            return error
        except Exception:
            return RuntimeError(f"in a worker: {traceback.format_exc()}")


class Crew:
    """Does orders in this process, one after the other.

    ``size``: how many orders are done at once.
    """

    size = 1

    def each(self, orders: Iterable[Order], work: Work) -> Iterator[tuple[Order, dict[str, Any]]]:
        """The orders with their results, as they are done. Each is drawn when there is somebody free to do it.

        ``work`` is how this process does one; workers find the same by ``Order.what``.

        Raises:
            UserError: as ``work`` does; the run ends.
        """
        return ((order, work(order)) for order in orders)

    def close(self) -> None:
        """Let everybody go."""


class Workers(Crew):
    """Several workers, each hired when there is an order for it: ``hire`` makes one of a number below ``size``.

    An order over which a worker died is done again by another; after `TRIES` it has failed.
    """

    def __init__(self, hire: Callable[[int], Hand], size: int) -> None:
        self.size, self._hire, self._closed = size, hire, False
        self._threads = ThreadPoolExecutor(size)  # they only wait: what works is elsewhere
        self._hands: dict[int, Hand] = {}
        self._free = SimpleQueue[int]()
        for number in range(size):
            self._free.put(number)

    def each(self, orders: Iterable[Order], work: Work) -> Iterator[tuple[Order, dict[str, Any]]]:
        """See `Crew.each`."""
        waiting, going = iter(orders), dict[Future[dict[str, Any]], Order]()
        while True:
            going |= {self._threads.submit(self._done, o): o for o in islice(waiting, self.size - len(going))}
            if not going:
                return
            for future in wait(going, return_when=FIRST_COMPLETED).done:
                yield going.pop(future), future.result()

    def close(self) -> None:
        """See `Crew.close`; what was begun is lost."""
        self._closed = True
        for hand in list(self._hands.values()):
            hand.close()
        self._threads.shutdown(cancel_futures=True)

    def _done(self, order: Order) -> dict[str, Any]:
        number = self._free.get()
        try:
            return self._tried(number, order)
        finally:
            self._free.put(number)

    def _tried(self, number: int, order: Order) -> dict[str, Any]:
        for _ in range(TRIES):
            if number not in self._hands:
                self._hands[number] = self._hire(number)
            try:
                answer = self._hands[number].do(order)
            except WorkerError as gone:
                if self._closed:
                    raise
                self._hands.pop(number).close()
                reason = str(gone)
                continue
            if isinstance(answer, Exception):
                raise answer
            return answer
        return {"failed": f"{TRIES} workers died over it; the last {reason}"}
