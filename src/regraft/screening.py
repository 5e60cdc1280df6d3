"""Which of many sources are worth a full ranking: successive halving on growing subsamples of the labelled target."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from regraft.bench import Bench
from regraft.core.errors import CandidateError, UserError
from regraft.core.labels import Labels
from regraft.core.seeding import derive
from regraft.data.examples import Examples
from regraft.features import forward
from regraft.model import Model
from regraft.opening import Opening, opened
from regraft.ranking import Measured, measured, placed, seen
from regraft.readers._domains import single
from regraft.runs import Journal

FIRST = 64
"""Labelled examples of the first rung, and four of each class at least; each further rung has twice as many."""
QUICK = ("knn", "logme", "leep", "nce", "zero_shot")
"""Scores that vote in screening: they cost milliseconds. `leep` and `nce` vote where all sources name classes."""
FAILS = (UserError, CandidateError, OSError, RuntimeError, ValueError, TypeError, ImportError, AttributeError)
"""What ends one source, not the ranking: files and code of others may fail in any of these ways."""
_RESAMPLES = 5


@dataclass
class Screened:
    """What screening found.

    ``kept``: the sources that are left. ``dropped``: the others, each with its ``rung`` (from 1), the ``examples`` it
    was seen on and its ``rank`` there. ``failed``: those that could not be opened or run, with the reason. ``rungs``:
    of each, how many ``examples``, ``sources`` and ``kept``, and its ``seconds``. ``first``: seconds of each source in
    the first rung.
    """

    kept: list[str]
    dropped: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    rungs: list[dict[str, Any]] = field(default_factory=list)
    first: dict[str, float] = field(default_factory=dict)


class Screening:
    """Halves the sources and doubles the examples until few sources are left.

    A source is opened for the first examples only and nothing about its speed is measured; its features are computed
    for the examples that a rung adds. What is done stands in the bench's journal and is not done again.

    Reference: Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS
    2016, algorithm 1 (successive halving).
    """

    def __init__(self, train: Examples, opening: Opening, bench: Bench) -> None:
        self.opening, self.bench = opening, bench
        self.train = train.take(spread(train, bench.seed))
        classes = len(train.classes) if train.labelling is Labels.CLASSES else 0
        self.first = min(len(train), max(FIRST, 4 * classes))

    def run(self, uris: Sequence[str], keep: int) -> Screened:
        """Screen ``uris`` down to ``keep``, in the order of the last rung; fewer are all kept, unopened."""
        found, before, count = Screened(list(uris)), 0, self.first
        while len(found.kept) > keep:
            begun = time.monotonic()
            sources, scores = len(found.kept), self._rung(found, before, count)
            rows = placed(scores, QUICK, self._labels(count)) if scores else []
            some = keep if count == len(self.train) else max(keep, math.ceil(len(rows) / 2))
            found.kept = [row["source"] for row in rows[:some]]
            place = {"rung": len(found.rungs) + 1, "examples": count}
            found.dropped += [{"source": r["source"], **place, "rank": r["rank"]} for r in rows[some:]]
            seconds = round(time.monotonic() - begun, 3)
            found.rungs.append({"examples": count, "sources": sources, "kept": len(found.kept), "seconds": seconds})
            for uri in {*scores} - {*found.kept}:
                self._file(uri).unlink(missing_ok=True)
            before, count = count, min(len(self.train), 2 * count)
        for uri in found.kept:
            self._file(uri).unlink(missing_ok=True)
        return found

    def _rung(self, found: Screened, before: int, count: int) -> dict[str, Measured]:
        """The scores of those that are still kept, on the first ``count`` examples."""
        scores = {}
        with self.bench.reporter.track(f"screening on {count} labels", len(found.kept)) as advance:
            for done, uri in enumerate(found.kept, 1):
                advance(done)
                try:
                    trial = self._journal(uri).once(str(count), partial(self._trial, uri, before, count))
                except FAILS as error:  # not remembered: it may be mended before the work goes on
                    found.failed[uri] = reason(error)
                    continue
                scores[uri] = Measured(np.array(trial["whole"]), np.array(trial["draws"]))
                found.first.setdefault(uri, trial["seconds"])
        return scores

    def _trial(self, uri: str, before: int, count: int) -> dict[str, Any]:
        begun = time.monotonic()
        model, x = self._features(uri, before, count)
        known = seen(model, x, self.train.take(np.arange(count)))
        scores = measured(known, QUICK, self.bench.seed, _RESAMPLES)
        seconds = time.monotonic() - begun
        return {"whole": scores.whole.tolist(), "draws": scores.draws.tolist(), "seconds": seconds}

    def _features(self, uri: str, before: int, count: int) -> tuple[Model, np.ndarray]:
        """The network, and its features (count, D): those of the rung before are remembered."""
        bench = replace(self.bench, journal=self._journal(uri))
        trains = any(one in self.opening.read for one in single([uri]))  # what is trained here suits all examples
        few = self.train if trains else self.train.take(np.arange(self.first))
        backbone, model, _, _ = opened(uri, few, self.opening, self.bench if trains else bench)
        file = self._file(uri)
        known = np.load(file, allow_pickle=False) if before and file.exists() else np.empty((0, 0))
        start = before if len(known) == before else 0
        added = bench.dataset(self.train.take(np.arange(start, count)), backbone.preprocess)
        x = forward(model.eval().backbone, added, backbone.preprocess, bench.runtime) if len(added) else known[:0]
        x = np.concatenate([known, x]) if start else x
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, x, allow_pickle=False)
        return model, np.asarray(x)

    def _labels(self, count: int) -> np.ndarray:
        assert self.train.labels is not None
        return self.train.labels[:count]

    def _journal(self, uri: str) -> Journal:
        return Journal(self.bench.journal.path(f"screening/{derive(0, uri):016x}"))

    def _file(self, uri: str) -> Path:
        return self._journal(uri).path("features.npy")


def spread(examples: Examples, seed: int) -> np.ndarray:
    """All examples (N,) in an order of which each beginning has nearly as many of each class; by content."""
    turn = np.array([derive(seed, "screening", digest) for digest in examples.digests])
    order = np.argsort(turn, kind="stable")
    if examples.labelling is not Labels.CLASSES:
        return order
    assert examples.labels is not None
    seen: dict[int, int] = {}
    place = np.empty(len(order), dtype=np.int64)
    for i in order:
        place[i] = seen[int(examples.labels[i])] = seen.get(int(examples.labels[i]), -1) + 1
    return np.lexsort((turn, place))


def reason(error: BaseException) -> str:
    """What a failing source is listed with."""
    first = (str(error).strip().splitlines() or [""])[0]
    return first if isinstance(error, UserError) else f"{type(error).__name__}: {first}"


def full_cost(found: Screened, full: Mapping[str, float]) -> float:
    """Seconds that ranking all sources in full would have taken, by what those that were (``full``) took.

    Sources are not equally slow: each counts by its seconds in the first rung.
    """
    known = [uri for uri in full if found.first.get(uri)]
    if not known:
        return float(sum(full.values()))
    slower = sum(full[uri] for uri in known) / sum(found.first[uri] for uri in known)
    return float(slower * sum(found.first.values()))
