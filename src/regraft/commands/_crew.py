"""Who does the trials of a command, and how a worker gets to where they are."""

import os
import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from regraft import runs
from regraft.core import allocator
from regraft.core.errors import UserError
from regraft.crew import Crew, Opener, Place, Workers
from regraft.processes import Process
from regraft.runtime import devices


def place_of(folder: Path, device: str) -> Place:
    """Where a worker finds the run in ``folder``."""
    here, path = Path.cwd(), tuple(os.path.abspath(p) for p in sys.path if p)
    cache, threads = runs.cache_folder().absolute(), torch.get_num_threads()
    return Place(folder.absolute(), cache, here, path, version("regraft"), device, threads)


def hired(device: str, workers: int | None, place: Place, opener: Opener) -> Crew:
    """The crew for the options of these names; ``place`` is where a worker would find the run.

    ``device`` auto with several GPUs has a worker for each; more ``workers`` than devices share them, and all share the
    threads of the processor.
    """
    found = devices(device)
    size = workers or len(found)
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
    if version("regraft") != place.version:
        raise UserError(f"a worker has Regraft {version('regraft')}, and the run {place.version}; install the same")
    if not place.folder.is_dir():
        raise UserError(f"a worker does not see {place.folder}; all machines must see one file system")
    os.chdir(place.here)
    sys.path += [p for p in place.path if p not in sys.path]
    allocator.keep_freed()
    warnings.simplefilter("ignore")
    torch.set_num_threads(place.threads)
    threadpool_limits(place.threads)
