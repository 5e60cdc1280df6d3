"""What the workers of `test_crew.py` open: a module of its own, so that they start without PyTorch."""

import os
import signal
import time
from pathlib import Path

from regraft.core.errors import UserError
from regraft.crew import Order, Place


def opener(place: Place):
    """As a run is opened in a worker; an order may be to die there, or to go wrong."""

    def work(order: Order):
        match order.what:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "die once":
                if not Path(order.given[0]).exists():
                    Path(order.given[0]).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            case "wait":
                time.sleep(600)
            case "mistake":
                raise UserError("a sentence")
            case "fault":
                raise ZeroDivisionError
            case "where":
                print("what libraries print is no answer")
                return {"threads": os.environ["OMP_NUM_THREADS"]}
        return {"done": order.name}

    return work
