"""Who does the trials of a command, and how a worker gets to where they are."""

import os
import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from regraft import runs
from regraft.cluster import gathered
from regraft.core import allocator
from regraft.core.errors import UserError
from regraft.crew import Crew, Opener, Place, Workers
from regraft.preparing import Prepared
from regraft.processes import Process
from regraft.runtime import devices


class Asked(Protocol):
    """The options of these names of ``regraft run``."""

    @property
    def device(self) -> str:
        """Where networks run."""

    @property
    def workers(self) -> int | None:
        """Trials at once."""

    @property
    def cluster(self) -> str | None:
        """Of Ray."""


def place_of(folder: Path, data: Prepared, device: str) -> Place:
    """Where a worker finds the run in ``folder``."""
    here, path = Path.cwd(), tuple(os.path.abspath(p) for p in sys.path if p)
    cache, threads = runs.cache_folder().absolute(), torch.get_num_threads()
    same = (version("regraft"), data.train.fingerprint)
    return Place(folder.absolute(), cache, here, path, same, device, threads)


def hired(asked: Asked, place: Place, opener: Opener) -> Crew:
    """The crew for what was asked; ``place`` is where a worker would find the run.

    ``device`` auto with several GPUs has a worker for each; more ``workers`` than devices share them, and all share the
    threads of the processor.

    Raises:
        FutileError: the cluster is not to be reached, or has no room.
    """
    if asked.cluster not in (None, "none"):
        return gathered(asked.cluster, asked.workers, place, opener)
    found = devices(asked.device)
    size = asked.workers or len(found)
    if size == 1:
        return Crew()
    share = max(1, place.threads // size)
    places = [replace(place, device=found[number % len(found)], threads=share) for number in range(size)]
    return Workers(lambda number: Process(opener, places[number]), size)


def enter(place: Place) -> None:
    """Make this process a worker at a place.

    Raises:
        UserError: this machine has another version of Regraft, or does not see the run.
    """
    here, there = version("regraft"), place.same[0]
    if here != there:
        raise UserError(f"a worker has Regraft {here}, and the run {there}; install the same on all machines")
    if not place.folder.is_dir():
        raise UserError(f"a worker does not see {place.folder}; all machines must see one file system")
    os.chdir(place.here)
    sys.path += [p for p in place.path if p not in sys.path]
    allocator.keep_freed()
    warnings.simplefilter("ignore")
    torch.set_num_threads(place.threads)
    threadpool_limits(place.threads)


def compare(place: Place, data: Prepared) -> None:
    """Refuse a worker that reads other examples than the run.

    Raises:
        UserError: it does.
    """
    if data.train.fingerprint != place.same[1]:
        raise UserError(f"a worker reads other examples of {data.facts['target']} than the run does; share the folder")
