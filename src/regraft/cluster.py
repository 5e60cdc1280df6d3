"""Workers on the machines of a Ray cluster, or of a Ray that is started here for one run."""

import contextlib
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from regraft.core.errors import FutileError, UserError
from regraft.core.extras import missing
from regraft.crew import Answer, Crew, Desk, Opener, Order, Place, WorkerError, Workers

MOST = 8
"""Workers on processors, at most, where no number is asked for: a fold of a race has few candidates more."""
PATIENCE = 120
"""Seconds that a cluster may take to find room for a worker."""
_STORE = 100 << 20
"""Bytes of shared memory for a Ray of our own: what goes to and fro is small."""


def gathered(address: str, workers: int | None, place: Place, opener: Opener) -> Crew:
    """Workers on a cluster: one for each GPU where the run is on one, else one for each processor up to `MOST`.

    ``address``: ``local`` starts a Ray on this machine; ``auto``, ``host:port`` and ``ray://host:port`` are Ray's own.

    Raises:
        FutileError: Ray is not installed or not to be reached, or it has no room for so many ``workers``.
    """
    ray = _ray(address)
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address, max(place.threads, workers or 1))
    gpu = place.device.startswith("cuda")
    try:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        rooms = [int(machine.get("CPU", 0)) for machine in machines]
        gpus = sum(int(machine.get("GPU", 0)) for machine in machines)
        size = workers or (gpus if gpu else min(MOST, sum(rooms)))
        if gpu and not 0 < size <= gpus:
            raise FutileError(f"option 'cluster': {address} has {gpus} GPUs; ask for at most as many workers")
        placed = replace(place, device="cuda" if gpu else place.device, threads=share(rooms, size, address))
    except BaseException:
        if ours:
            ray.shutdown()
        raise
    return _Gathered(ray, ours, size, (opener, placed))


def share(rooms: Sequence[int], size: int, address: str) -> int:
    """The most processors that each of ``size`` workers can have; ``rooms``: how many each machine has.

    Raises:
        FutileError: there are fewer processors than workers.
    """
    fits = [each for each in range(1, max(rooms, default=0) + 1) if sum(room // each for room in rooms) >= size > 0]
    if not fits:
        raise FutileError(f"option 'cluster': {address} has {sum(rooms)} processors; ask for at most as many workers")
    return fits[-1]


class _Gathered(Workers):
    """Workers of a cluster; a Ray that was started for them ends with them."""

    def __init__(self, ray: ModuleType, ours: bool, size: int, worker: tuple[Opener, Place]) -> None:
        super().__init__(lambda number: _Actor(ray, *worker), size)
        self._ray, self._ours = ray, ours

    def close(self) -> None:
        """See `Crew.close`."""
        super().close()
        if self._ours:
            self._ray.shutdown()


class _Actor:
    """A worker that is an actor of Ray."""

    def __init__(self, ray: Any, opener: Opener, place: Place) -> None:
        self._ray = ray
        needs = {"num_cpus": place.threads, "num_gpus": int(place.device == "cuda")}
        self._actor = ray.remote(**needs, max_restarts=0)(Desk).remote(opener, place)

    def do(self, order: Order) -> Answer:
        """See `Hand.do`."""
        try:
            self._ray.get(self._actor.__ray_ready__.remote(), timeout=PATIENCE)
            answer: Answer = self._ray.get(self._actor.do.remote(order))
        except self._ray.exceptions.GetTimeoutError as error:
            raise UserError("the cluster has no room for a worker; ask for fewer with --workers") from error
        except self._ray.exceptions.RayActorError as error:
            raise WorkerError(f"was lost by the cluster: {str(error).strip().splitlines()[0]}") from error
        return answer

    def close(self) -> None:
        """See `Hand.close`."""
        with contextlib.suppress(Exception):  # it may be gone, with its cluster or alone
            self._ray.kill(self._actor)


def _ray(address: str) -> Any:
    # Before the import, which reads them: nothing is reported to anybody, and a worker without a GPU asks for none.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address == "local":  # loopback only, as Ray has it on other systems; it turns 127.0.0.1 into the outer address
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ.setdefault("RAY_agent_register_timeout_ms", "120000")  # a busy machine may take its time
    try:
        import ray
    except ImportError as error:
        raise FutileError(str(missing("ray"))) from error
    return ray


def _connect(ray: Any, address: str, processors: int) -> None:
    own: dict[str, Any] = {"num_cpus": processors, "include_dashboard": False, "object_store_memory": _STORE}
    with _ends_kept():
        try:
            quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
            ray.init(address=address, **quiet, **(own if address == "local" else {}))
        except Exception as error:  # of Ray, all kinds: some are no more than an Exception
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise FutileError(f"option 'cluster': cannot reach {address} ({said}); start it first") from error


@contextlib.contextmanager
def _ends_kept() -> Iterator[None]:
    """Keep what a polite kill does: Ray would have it end the process without a word."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread, where nobody can have changed it
            signal.signal(signal.SIGTERM, before)
