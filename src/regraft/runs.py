"""A run is a folder: everything needed to audit, repeat, resume and report it. No torch, no pickle."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from regraft.core.errors import UserError

OPTIONS, RESULT, SEEN, RUNS = "options.yaml", "run.json", "seen.json", "runs"
DECISIONS = "decisions.json"
"""Where a run folder has what was decided on the way, with its evidence."""


class Journal:
    """The finished pieces of a run. A piece that is there is not done again: that is all that resuming is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """The JSON value of a piece of work: read if it was finished before, else computed and written."""
        path = self.path(f"{name}.json")
        if path.exists():
            return json.loads(path.read_text())
        value = compute()
        self.write(name, value)
        return value

    def found(self, name: str) -> Any:
        """The JSON value of a piece of work that was finished before; None where it was not."""
        path = self.path(f"{name}.json")
        return json.loads(path.read_text()) if path.exists() else None

    def write(self, name: str, value: Any) -> None:
        """Write the JSON value of a piece of work: whole or not at all."""
        write_json(self.path(f"{name}.json"), value)

    def path(self, name: str) -> Path:
        """Where a piece of work may keep files of its own."""
        return self.folder / "journal" / name


class Foreign(Journal):
    """The journal of a run that another process leads: it is read here, and written there alone."""

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """See `Journal.once`; what the run has not found yet is not to be found here in another way."""
        found = self.found(name)
        if found is None and not self.path(f"{name}.json").exists():
            raise UserError(f"the run in {self.folder} has no {name!r} yet; all machines must see one file system")
        return found

    def write(self, name: str, value: Any) -> None:
        """Nothing."""


class Clock:
    """Seconds since the run began, over all its sittings, against the budget (seconds, or None for no limit).

    ``begun``: when this sitting did, by ``time.monotonic``; None for now.
    """

    def __init__(self, journal: Journal, budget: float | None, begun: float | None = None) -> None:
        self.budget, self._journal = budget, journal
        before = journal.found("clock") or 0.0
        self._start = (time.monotonic() if begun is None else begun) - before

    @property
    def spent(self) -> float:
        """Seconds of work so far."""
        return time.monotonic() - self._start

    def left(self, share: float = 1.0) -> float:
        """Seconds until ``share`` of the budget is spent."""
        return float("inf") if self.budget is None else share * self.budget - self.spent

    def stamp(self) -> None:
        """Remember the time spent, for a later sitting."""
        self._journal.write("clock", self.spent)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path``: whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False))


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def remember_seen(
    folder: Path, labelled: Iterable[str] = (), unlabelled: Iterable[str] = (), sources: Sequence[str] = ()
) -> None:
    """Write beside a model which examples it learned from, with labels and without, itself or as one of ``sources``."""
    known = set(labelled).union(*seen_by(sources, labelled=True).values())
    every = known.union(unlabelled, *seen_by(sources).values())
    write_json(folder / SEEN, {"digests": sorted(every), "unlabelled": sorted(every - known)})


def seen_by(sources: Sequence[str], labelled: bool = False) -> dict[str, frozenset[str]]:
    """The digests of the examples that each of ``sources`` learned from, as far as it says so: models of ours do.

    ``labelled``: of those only whose labels it could read.

    Raises:
        UserError: a file was damaged.
    """
    files = {uri: Path(uri) / SEEN for uri in sources}
    found = {uri: read_json(file) for uri, file in files.items() if file.is_file()}
    hidden = {uri: set(one.get("unlabelled", ()) if labelled else ()) for uri, one in found.items()}
    return {uri: frozenset(one["digests"]) - hidden[uri] for uri, one in found.items()}


def create(out: Path | None, name: str, options: Mapping[str, Any], verb: str = "run") -> Path:
    """A new run folder, ``out`` or ``runs/name``, that holds the options of ``verb``.

    Raises:
        UserError: ``out`` exists, or the folder cannot be written.
    """
    folder = out or unused(name)
    refuse_full(folder, verb)
    try:
        write_text(folder / OPTIONS, yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True))
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --out") from error
    return folder


def refuse_full(folder: Path, verb: str) -> None:
    """Refuse a folder that has something in it.

    Raises:
        UserError: it has.
    """
    if folder.exists() and any(folder.iterdir()):
        hint = f"regraft {verb} --resume {folder}" if (folder / OPTIONS).exists() else "another --out"
        raise UserError(f"folder {folder} exists and is not empty; use {hint}, or remove it")


def discard(folder: Path) -> None:
    """Remove a run folder that is of no use, and the folder of runs if nothing else is in it."""
    shutil.rmtree(folder)
    if folder.parent.name == RUNS and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def only_resumes(given: Mapping[str, Any], default: Mapping[str, Any]) -> None:
    """Refuse options beside ``resume``.

    Raises:
        UserError: names one.
    """
    for name, value in given.items():
        if name != "resume" and value != default[name]:
            raise UserError(f"option {name!r} cannot be given with --resume, which goes on with the options it had")


def options_of(folder: Path, verb: str = "") -> dict[str, Any]:
    """The options that a run folder was made with, by ``verb`` if it is given.

    Raises:
        UserError: it is not a run folder, or was made by another command.
    """
    path = folder / OPTIONS
    if not path.is_file():
        raise UserError(
            f"{folder} is not a run folder: it has no {OPTIONS}; give the folder that 'regraft run' printed"
        )
    try:
        options = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise UserError(f"{path} was changed and is no list of options any more; start a new run") from error
    maker = "train" if "data" in options else "rank" if "keep" in options else "run"
    if verb not in ("", maker):
        raise UserError(f"{folder} was made by 'regraft {maker}'; go on with: regraft {maker} --resume {folder}")
    return options


def result_of(folder: Path) -> dict[str, Any]:
    """The result of a finished run.

    Raises:
        UserError: it is not a run folder, or the run is not finished.
    """
    path = folder / RESULT
    if not path.is_file():
        if "data" in options_of(folder):
            raise UserError(f"{folder} was made by 'regraft train', which judges nothing; give the folder of a run")
        raise UserError(f"the run in {folder} is not finished; finish it with: regraft run --resume {folder}")
    found = read_json(path)
    if not {"verdict", "sentence", "candidates"} <= set(found):
        raise UserError(f"{path} is damaged or not Regraft's; give the folder that 'regraft run' printed")
    return found


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        UserError: the file was damaged since.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} was damaged after it was written; restore it or run again") from error


def cache_folder() -> Path:
    """Where features and decoded pictures are remembered: ``$REGRAFT_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("REGRAFT_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else base / "regraft"


def unused(name: str) -> Path:
    """A folder below ``runs/`` that does not exist yet: ``name``, else ``name-2`` and so on."""
    parent = Path(RUNS)
    for number in range(1, 10_000):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            return folder
    raise UserError(f"there are 9,999 runs named {name} in {parent}; name this one with --out")
