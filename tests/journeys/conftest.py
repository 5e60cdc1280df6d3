"""The real command line in a process of its own, on small data, with a cache of its own."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from regraft.data import embedded

EACH = 24
"""Pictures of each class in the small data sets."""
REGRAFT = (sys.executable, "-m", "regraft.cli")


@dataclass(frozen=True)
class Shell:
    """Runs commands in the folder ``here``; ``home`` holds the data, the cache and the runs that tests share."""

    home: Path
    here: Path

    def data(self, name: str, small: bool = True) -> Path:
        """The folder of an embedded data set; the small one has ``EACH`` pictures a class."""
        return self.home / ("small" if small else "whole") / name

    @property
    def environment(self) -> dict[str, str]:
        """With a cache of the session, one thread, and compiled bytecode kept."""
        own = {"REGRAFT_CACHE": str(self.home / "cache"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
        return {**os.environ, **own}

    def start(self, *arguments: object, program: tuple[str, ...] = REGRAFT, **options: Any) -> subprocess.Popen[str]:
        """A command that was started."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        given = [*program, *map(str, arguments)]
        return subprocess.Popen(given, cwd=self.here, env=self.environment, text=True, **pipes)

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


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> Shell:
    """Runs commands in an empty folder."""
    return Shell(home, tmp_path)


@pytest.fixture(scope="session")
def finished(home: Path, shared: Callable[..., Path]) -> Path:
    """A folder with a finished run in ``run`` and what it printed in ``out.json`` and ``err.txt``.

    Of two sources and two methods, over two seeds.
    """

    def build(folder: Path) -> None:
        shell = Shell(home, folder)
        sources = [f"data:{shell.data(name)}" for name in ("printed_digits", "shuffled_digits")]
        given = ("--target", shell.data("handwriting"), "--source", sources[0], "--source", sources[1], "--shots", 4)
        race = ("--method", "logistic", "--method", "linear_probe", "--seeds", 2, "--budget", "15s", "--steps", 100)
        done = shell("run", *given, *race, "--precision", "fp32", "--out", "run", "--json")
        (folder / "out.json").write_text(done.stdout)
        (folder / "err.txt").write_text(done.stderr)
        assert done.returncode == 0, done.stderr

    return shared("finished", build)


@pytest.fixture(scope="session")
def quick(home: Path) -> dict[str, Any]:
    """Options of the shortest run there is: too small a budget for a race, so nothing in it depends on time."""
    shell = Shell(home, home)
    source = f"data:{shell.data('printed_digits')}"
    plain = {"target": str(shell.data("handwriting")), "source": [source], "method": ["logistic"], "shots": 3}
    return plain | {"seeds": 1, "budget": "1s", "precision": "fp32"}


def flags(options: dict[str, Any]) -> list[str]:
    """Options as flags."""
    listed = ((name, value if isinstance(value, list) else [value]) for name, value in options.items())
    return [part for name, values in listed for value in values for part in (f"--{name}", str(value))]


@pytest.fixture(scope="session")
def quick_run(home: Path, quick: dict[str, Any], shared: Callable[..., Path]) -> Path:
    """A folder with the ``quick`` run in ``run``."""

    def build(folder: Path) -> None:
        Shell(home, folder).json("run", *flags(quick), "--out", "run")

    return shared("quick", build)


@pytest.fixture(scope="session")
def shell_at(home: Path) -> Callable[[Path], Shell]:
    """Runs commands in a given folder."""
    return lambda folder: Shell(home, folder)


_SERVER = """
import importlib, json, os, sys
from regraft import cli
for verb in cli.verbs():
    importlib.import_module(f"regraft.commands.{verb}")
for line in sys.stdin:
    folder, arguments = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{folder}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        code = cli.main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="session")
def forked(home: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs commands each in a process of its own, forked from one that has imported the libraries: 60 in seconds."""
    program = (sys.executable, "-c", _SERVER)
    server = Shell(home, home).start(program=program, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdin is not None
    assert server.stdout is not None

    def call(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        given = list(map(str, arguments))
        print(json.dumps([str(folder), given]), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        out, err = (Path(f"{folder}.{name}").read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess(given, code, out, err)

    yield call
    server.communicate()
