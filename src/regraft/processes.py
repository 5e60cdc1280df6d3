"""Workers in processes of their own on this machine."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from queue import SimpleQueue

from regraft.crew import Answer, Desk, Opener, Order, Place, WorkerError


class Process:
    """A worker in a process of its own, which ends with this one.

    Started afresh rather than forked: neither CUDA nor the threads of PyTorch survive a fork. Nothing of the caller's
    main module is run again, as `multiprocessing` would. What goes through its pipes is ours alone.
    """

    def __init__(self, opener: Opener, place: Place) -> None:
        threads = {"OMP_NUM_THREADS": str(place.threads), "MKL_NUM_THREADS": str(place.threads)}
        program = (sys.executable, "-P", "-c", "from regraft.processes import serve; serve()")
        modules = {"PYTHONPATH": os.pathsep.join([*place.path, *filter(None, sys.path)])}
        # In a session of its own: Ctrl-C is for the run, which then ends its workers.
        self._process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **threads, **modules},
            start_new_session=True,
        )  # fmt: skip
        self._send((opener, place))

    def do(self, order: Order) -> Answer:
        """See `Hand.do`."""
        try:
            self._send(order)
            assert self._process.stdout is not None
            answer: Answer = pickle.load(self._process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:  # closed, or cut short
            raise WorkerError(_end(self._process.wait())) from error
        return answer

    def close(self) -> None:
        """See `Hand.close`."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError), self._process:  # which closes its pipes too
            pass

    def _send(self, what: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # nobody answers then either
            pickle.dump(what, self._process.stdin)
            self._process.stdin.flush()


def serve() -> None:
    """Do what comes through the standard input until it ends: the run has then ended too, or was killed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    orders = SimpleQueue[Order]()
    opener, place = pickle.load(sys.stdin.buffer)
    desk = Desk(opener, place)
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    while True:
        pickle.dump(desk.do(orders.get()), answers)
        answers.flush()


def _listen(orders: SimpleQueue[Order]) -> None:
    with contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            orders.put(pickle.load(sys.stdin.buffer))
    os._exit(0)  # also in the middle of an order: nobody waits for it


def _end(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
