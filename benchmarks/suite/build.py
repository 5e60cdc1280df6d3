"""Lay a task out as files: labels to learn from, a holdout for the run, examples that judge, and the sources."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from domains import DOMAINS, Rows, rows_of
from networks import network
from tasks import Task

from regraft.core.seeding import derive


@dataclass(frozen=True)
class Laid:
    """The files of a task; ``sources``: how ``regraft`` is told of each; ``roles``: what each is, see `tasks.ROLES`."""

    train: Path
    holdout: Path
    final: Path
    sources: tuple[str, ...]
    roles: tuple[str, ...]


def lay_out(task: Task, data: Path, out: Path) -> Laid:
    """The files of ``task`` in ``out``, from those in ``data``; written once, unless the task has changed.

    Source domains are without the examples of the target: sentences of movie reviews are in two of the collections.
    """
    folder = out / "data" / task.name
    marker, asked = folder / "task.json", json.loads(json.dumps(asdict(task)))
    if not marker.exists() or json.loads(marker.read_text()).get("task") != asked:
        folder.mkdir(parents=True, exist_ok=True)
        parts = _divided(task, rows_of(task.target, data))
        files = [parts[name].write(folder / name) for name in ("train", "holdout", "final")]
        known = {key for part in parts.values() for key in part.contents()}
        sources = [_source(name, task, data, out, known) for _, name in task.sources]
        found = {"files": [str(f) for f in files], "sources": sources, "roles": [r for r, _ in task.sources]}
        marker.write_text(json.dumps({"task": asked, **found}, indent=1))
    found = json.loads(marker.read_text())
    return Laid(*map(Path, found["files"]), tuple(found["sources"]), tuple(found["roles"]))


def _divided(task: Task, rows: Rows) -> dict[str, Rows]:
    """``train``, ``holdout`` and ``final``, without a common example."""
    if task.classes is not None:
        rows = rows.take(np.flatnonzero(np.isin(rows.y, np.unique(rows.y)[: task.classes])))
    order = np.random.default_rng(derive(task.seed, "suite", task.name)).permutation(len(rows))
    seen, unique, keys = set[bytes | str](), list[int](), rows.contents()
    for i in order:
        if keys[i] not in seen:
            seen.add(keys[i])
            unique.append(int(i))
    among = np.zeros(len(rows)) if task.numeric else rows.y
    train = [i for c in np.unique(among) for i in [j for j in unique if among[j] == c][: task.shots]]
    drawn = set(train)
    rest = [i for i in unique if i not in drawn]
    ends = {"train": train, "holdout": rest[: task.holdout], "final": rest[task.holdout :][: task.final]}
    return {name: rows.take(np.array(index)) for name, index in ends.items()}


def _source(name: str, task: Task, data: Path, out: Path, known: set[bytes | str]) -> str:
    if name.partition("~")[0] not in DOMAINS:
        return network(name, data, out / "networks")
    rows = rows_of(name, data)
    fresh = np.array([i for i, key in enumerate(rows.contents()) if key not in known])
    some = np.random.default_rng(derive(task.seed, "source", name.partition("~")[0])).permutation(fresh)[: task.rows]
    return f"data:{rows.take(some).write(out / 'data' / task.name / name.replace('~', '-'))}"
