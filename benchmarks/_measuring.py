"""What the speed benchmarks share: quiet windows, seconds by the wall and by the processor, tables."""

import json
import os
import platform
import statistics
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from regraft.core import catalog
from regraft.core.errors import UserError


def existing(given: str) -> Path:
    """A file or folder that is asked for on the command line."""
    if not Path(given).exists():
        raise ArgumentTypeError(f"there is no file or folder {given}")
    return Path(given)


def method(given: str) -> str:
    """A method that is asked for on the command line."""
    try:
        catalog.find("methods", given)
    except UserError as error:
        raise ArgumentTypeError(str(error)) from error
    return given


def chain(given: str) -> str:
    """A method, or several with + between them, one after the other."""
    return "+".join(map(method, given.split("+")))


def matlab(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Arrays from a file of MATLAB's v7.3; another file ends the benchmark with a sentence."""
    try:
        with h5py.File(path) as file:
            return {name: np.array(file[name]) for name in names}
    except (OSError, KeyError) as error:
        print(f"{path} is no file of MATLAB's v7.3 with {', '.join(names)}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


@dataclass(frozen=True)
class Took:
    """Seconds by the wall clock and of processor time (all threads of this process), and the load before."""

    wall: float
    cpu: float
    load: float


def quiet(limit: float = 2.5, patience: float = 60.0) -> float:
    """Wait until the machine's load is below ``limit``, at most ``patience`` seconds; the load then."""
    end = time.monotonic() + patience
    while os.getloadavg()[0] > limit and time.monotonic() < end:
        time.sleep(2)
    return os.getloadavg()[0]


def timed(work: Callable[[], Any], patience: float) -> tuple[Took, Any]:
    """Do ``work`` in a quiet window."""
    load = quiet(patience=patience)
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu, load), value


def median(times: list[Took], clock: str) -> float:
    """The median of one clock, ``wall`` or ``cpu``."""
    return statistics.median(getattr(t, clock) for t in times)


def machine() -> str:
    """The processor and the libraries, one line."""
    found = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    name = found[0] if found else platform.processor()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{name}, {os.cpu_count()} cores, {capability}; torch {torch.__version__}; {time.strftime('%Y-%m-%d')}"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(out: Path | None, values: Mapping[str, Any]) -> None:
    """The measurements as JSON, if a file was asked for."""
    if out is not None:
        out.write_text(json.dumps({"machine": machine(), **values}, indent=1) + "\n")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
