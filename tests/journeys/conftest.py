"""The real command line in a process of its own, on small data, with a cache of its own.

Starting Python and importing the libraries takes longer than most commands. So a command is forked from a process that
has imported them; `fresh=True` starts one as a user does, which some test does with every verb.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from regraft.data import embedded

EACH = 24
"""Pictures of each class in the small data sets."""
REGRAFT = (sys.executable, "-m", "regraft.cli")


class Forked:
    """A command in a process that the server forks; used like a ``Popen``.

    ``before``: Python that the process runs first.
    """

    def __init__(self, server: subprocess.Popen[str], here: Path, given: list[str], before: str) -> None:
        self._server, self._written, self.returncode = server, tempfile.TemporaryDirectory(), None
        self.pid = self._ask([str(here), self._written.name, given, before])

    def _ask(self, question: object) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(question), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._ask(self.pid)
        return self.returncode

    def send_signal(self, blow: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, blow)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it has written to stdout and stderr when it has ended."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        with self._written as folder:
            return (Path(folder) / "out").read_text(), (Path(folder) / "err").read_text()


@dataclass(frozen=True)
class Shell:
    """Runs commands in the folder ``here``; ``home`` holds the data, the cache and the runs that tests share."""

    home: Path
    here: Path
    server: subprocess.Popen[str]

    def data(self, name: str, small: bool = True) -> Path:
        """The folder of an embedded data set; the small one has ``EACH`` pictures a class."""
        return self.home / ("small" if small else "whole") / name

    def start(
        self, *arguments: object, before: str = "", fresh: bool = False, **options: Any
    ) -> Forked | subprocess.Popen[str]:
        """A command that was started; ``options`` are those of a fresh process."""
        given = list(map(str, arguments))
        if not fresh:
            return Forked(self.server, self.here, given, before)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen([*REGRAFT, *given], cwd=self.here, env=environment(self.home), text=True, **pipes)

    def __call__(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command that has ended."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(list(map(str, arguments)), process.returncode, out, err)

    def json(self, *arguments: object, **options: Any) -> dict[str, Any]:
        """The one JSON document that a command with ``--json`` prints."""
        done = self(*arguments, "--json", **options)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout, parse_constant=_not_json))


def environment(home: Path) -> dict[str, str]:
    """Of a command: a cache of the session, one thread, no network, and compiled bytecode kept."""
    own = {"REGRAFT_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **own, "HF_HUB_OFFLINE": "1"}


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, shared: Callable[..., Path]) -> Path:
    """The folder that all tests of the session share, with the embedded data in it."""

    def build(folder: Path) -> None:
        made = embedded.write(folder / "whole", per_class=EACH)
        for name, path in made.items():
            for label in sorted(p for p in path.iterdir() if p.is_dir()):
                (folder / "small" / name / label.name).mkdir(parents=True)
                for picture in sorted(label.iterdir())[:EACH]:
                    shutil.copy(picture, folder / "small" / name / label.name)

    return shared("home", build)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a folder once a session, whichever of the parallel workers needs it first."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, build: Callable[[Path], None]) -> Path:
        folder = root / f"shared-{name}"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / ".done").exists():
                folder.mkdir()
                build(folder)
                (folder / ".done").touch()
        return folder

    return once


_SERVER = """
import importlib, json, os, signal, sys
from regraft import cli
for verb in cli.verbs():
    importlib.import_module(f"regraft.commands.{verb}")
for library in ("timm", "torchvision", "torch._dynamo"):  # which commands import when they need them
    importlib.import_module(library)
for line in sys.stdin:
    question = json.loads(line)
    if isinstance(question, int):
        pid, status = os.waitpid(question, os.WNOHANG)
        print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
        continue
    here, written, arguments, before = question
    child = os.fork()
    if not child:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
        os.chdir(here)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{written}/{name}", os.O_WRONLY | os.O_CREAT), number)
        exec(before)
        code = cli.main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(child, flush=True)
"""


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with the libraries in memory that forks one for each command: 60 in seconds."""
    program, pipe = (sys.executable, "-c", _SERVER), subprocess.PIPE
    process = subprocess.Popen(
        program, env=environment(home), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    )
    yield process
    process.communicate()


@pytest.fixture
def shell(home: Path, tmp_path: Path, server: subprocess.Popen[str]) -> Shell:
    """Runs commands in an empty folder."""
    return Shell(home, tmp_path, server)


@pytest.fixture(scope="session")
def finished(shell_at: Callable[[Path], Shell], shared: Callable[..., Path]) -> Path:
    """A folder with a finished run in ``run`` and what it printed in ``out.json`` and ``err.txt``.

    Of two sources and two methods, over two seeds.
    """

    def build(folder: Path) -> None:
        shell = shell_at(folder)
        sources = [f"data:{shell.data(name)}" for name in ("printed_digits", "shuffled_digits")]
        given = ("--target", shell.data("handwriting"), "--source", sources[0], "--source", sources[1], "--shots", 4)
        race = ("--method", "logistic", "--method", "linear_probe", "--seeds", 2, "--budget", "15s", "--steps", 100)
        done = shell("run", *given, *race, "--precision", "fp32", "--out", "run", "--json", fresh=True)
        (folder / "out.json").write_text(done.stdout)
        (folder / "err.txt").write_text(done.stderr)
        assert done.returncode == 0, done.stderr

    return shared("finished", build)


@pytest.fixture(scope="session")
def trained(home: Path, shell_at: Callable[[Path], Shell], shared: Callable[..., Path]) -> Path:
    """A folder with a network that was trained on printed digits in ``print`` and what was printed in ``out.json``."""

    def build(folder: Path) -> None:
        shell = shell_at(folder)
        plain = ("--data", shell.data("printed_digits"), "--precision", "fp32", "--out", "print")
        (folder / "out.json").write_text(json.dumps(shell.json("train", *plain, fresh=True)))

    return shared("trained", build)


@pytest.fixture(scope="session")
def quick(home: Path, trained: Path) -> dict[str, Any]:
    """Options of a very short run, in which nothing depends on time."""
    target, source = home / "small" / "handwriting", trained / "print"
    plain = {"target": str(target), "source": [str(source)], "method": ["logistic"], "shots": 3}
    return plain | {"seeds": 1, "budget": "none", "steps": 8, "precision": "fp32"}


def flags(options: dict[str, Any]) -> list[str]:
    """Options as flags."""
    listed = ((name, value if isinstance(value, list) else [value]) for name, value in options.items())
    return [part for name, values in listed for value in values for part in (f"--{name}", str(value))]


@pytest.fixture(scope="session")
def quick_run(shell_at: Callable[[Path], Shell], quick: dict[str, Any], shared: Callable[..., Path]) -> Path:
    """A folder with the ``quick`` run in ``run``."""

    def build(folder: Path) -> None:
        shell_at(folder).json("run", *flags(quick), "--out", "run")

    return shared("quick", build)


@pytest.fixture(scope="session")
def shell_at(home: Path, server: subprocess.Popen[str]) -> Callable[[Path], Shell]:
    """Runs commands in a given folder."""
    return lambda folder: Shell(home, folder, server)
