"""Who does the work changes nothing in what is found: out of order, with deaths, in processes."""

import importlib
import random
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from regraft import cluster
from regraft.commands import _crew
from regraft.commands.run import Run
from regraft.core.errors import FutileError, UserError
from regraft.crew import Crew, Desk, Order, Place, WorkerError, Workers
from regraft.processes import Process

PLACE = Place(Path("/nowhere"), Path("/nowhere"), Path("/nowhere"), (str(Path(__file__).parent),), ("", ""), "cpu", 1)
ORDERS = [Order(f"order-{n}", "square", (n,)) for n in range(7)]


def square(order: Order) -> dict[str, int]:
    return {"square": order.given[0] ** 2}


class Slow:
    """A worker here that answers when it likes."""

    def __init__(self, number: int) -> None:
        self.random, self.closed = random.Random(number), False

    def do(self, order):
        time.sleep(self.random.uniform(0, 0.01))
        if self.closed:
            raise WorkerError("was closed")
        return Desk(lambda place: square, PLACE).do(order)

    def close(self):
        self.closed = True


@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_order_is_done_once_and_drawn_when_somebody_is_free(size):
    drawn, crew = [], Workers(Slow, size) if size > 1 else Crew()

    def orders():
        for order in ORDERS:
            drawn.append(order)
            assert len(drawn) - len(found) <= size
            yield order

    found = {}
    for order, value in crew.each(orders(), square):
        assert order.name not in found
        found[order.name] = value
    crew.close()
    assert found == {order.name: square(order) for order in ORDERS}


def test_who_leaves_early_leaves_workers_that_can_be_used_again():
    crew = Workers(Slow, 3)
    for _ in crew.each(ORDERS, square):
        break
    assert len(list(crew.each(ORDERS, square))) == len(ORDERS)
    crew.close()


@pytest.fixture(scope="module")
def opener():
    """A function that processes find by its name."""
    sys.path.append(PLACE.path[0])
    yield importlib.import_module("elsewhere").opener
    sys.path.remove(PLACE.path[0])


@pytest.fixture(scope="module")
def pair(opener):
    """Two processes, started once."""
    crew = Workers(lambda number: Process(opener, PLACE), 2)
    yield crew
    crew.close()


def done(crew, *orders):
    return {order.name: value for order, value in crew.each(orders, square)}


def test_processes_do_orders_with_their_share_of_threads(pair):
    assert done(pair, *(Order(f"o{n}", "where", ()) for n in range(3))) == {f"o{n}": {"threads": "1"} for n in range(3)}


def test_whose_worker_was_killed_is_tried_again_and_then_has_failed(pair, tmp_path):
    found = done(pair, Order("a", "die once", (tmp_path / "died",)), Order("b", "die", ()), Order("c", "", ()))
    assert found["a"] == {"done": "a"}
    assert found["b"] == {"failed": "2 workers died over it; the last was ended by SIGKILL"}
    assert found["c"] == {"done": "c"}


def test_mistakes_come_back_as_they_are_and_faults_with_their_lines(pair):
    with pytest.raises(UserError, match=r"^a sentence$"):
        done(pair, Order("a", "mistake", ()))
    with pytest.raises(RuntimeError, match=r"in a worker: [\s\S]*in work\n[\s\S]*ZeroDivisionError"):
        done(pair, Order("a", "fault", ()))


def test_closing_ends_workers_in_the_middle_of_an_order(opener):
    crew = Workers(lambda number: Process(opener, PLACE), 1)
    threading.Timer(0.3, crew.close).start()
    with pytest.raises(WorkerError):
        done(crew, Order("a", "wait", ()))
    assert all(hand._process.poll() is not None for hand in crew._hands.values())


@pytest.mark.parametrize(
    ("rooms", "size", "each"), [([2], 2, 1), ([4, 4, 4], 2, 4), ([3, 3, 3], 4, 1), ([8, 2], 5, 2), ([16], 3, 5)]
)
def test_workers_share_the_processors_of_the_machines_that_they_fit_on(rooms, size, each):
    assert cluster.share(rooms, size, "here") == each


def test_too_few_processors_are_told():
    with pytest.raises(FutileError, match="here has 2 processors; ask for at most as many"):
        cluster.share([1, 1], 3, "here")


def test_several_gpus_have_a_worker_each_and_one_processor_none(monkeypatch):
    opener = None
    hands = []
    monkeypatch.setattr(_crew, "Process", lambda opener, place: hands.append(place))
    place = replace(PLACE, threads=8)
    assert type(_crew.hired(Run(), place, opener)) is Crew
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for options, size, names in (
        (Run(), 4, ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]),
        (Run(workers=6), 6, ["cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:0", "cuda:1"]),
        (Run(device="cpu", workers=2), 2, ["cpu", "cpu"]),
    ):
        hands.clear()
        crew = _crew.hired(options, place, opener)
        for number in range(size):
            crew._hire(number)
        assert ([p.device for p in hands], {p.threads for p in hands}) == (names, {8 // size})
        crew.close()
    assert type(_crew.hired(Run(workers=1), place, opener)) is Crew


def test_a_worker_that_is_not_where_the_run_is_says_so(tmp_path):
    with pytest.raises(UserError, match="install the same on all machines"):
        _crew.enter(PLACE)
