"""Small data: no holdout, but outer folds that each judge what was chosen and trained without them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from regraft import certainty, keeping
from regraft.bench import Bench
from regraft.candidates import Candidate
from regraft.core.duration import readable
from regraft.core.errors import UserError
from regraft.core.seeding import derive
from regraft.crew import Crew
from regraft.data.dataset import Dataset
from regraft.data.splits import outer_folds
from regraft.evaluation import evaluation
from regraft.finishing import Finish, write_array
from regraft.job import Job, Trained, Wanted
from regraft.preparing import Prepared
from regraft.racing import Race
from regraft.repeated import Outer
from regraft.runs import Clock, Journal

LEAST = 5.0
"""Seconds that a fold needs at least: to choose, to train both contestants, and to judge them."""
ROOMY = 20.0
"""Seconds for each fold from which folds are taken without being asked for."""
_CONTESTANTS = ("chosen", "scratch")


def afforded(budget: float | None, folds: int, repeats: int) -> None:
    """Refuse a budget (seconds) whose parts would be too short.

    Raises:
        UserError: says which budget would do.
    """
    parts = folds * repeats + 1
    if budget is not None and budget / parts < LEAST:
        raise UserError(
            f"option 'budget' of {readable(budget)} has {parts} parts, {folds * repeats} folds and the final choice, "
            f"of {budget / parts:.1f} s each; give {readable(parts * LEAST)} or more, or fewer folds"
        )


class Nested(Job):
    """The main job where the target is too small to spare a holdout.

    Inside the training part of each outer fold the whole choice is made anew, and transfer and scratch are trained
    over the same seeds; the fold then judges them. The verdict pools the folds, and is about the procedure. The model
    that is kept is what the same procedure makes of all labelled examples.
    """

    def __init__(self, data: Prepared, wanted: Wanted, bench: Bench) -> None:
        bench = replace(bench, learned=Journal(bench.journal.path("learned")))
        super().__init__(data, replace(wanted, seeds=1), bench)
        self.asked = wanted

    @property
    def outer(self) -> Outer:
        """How the target is divided."""
        assert self.data.outer is not None
        return self.data.outer

    def run(self, command: str) -> dict[str, Any]:
        """See `Job.run`; the folds come first, after sources that are trained here, which they share."""
        _ = self.sources, self.folds
        return super().run(command)

    def trained(self) -> Trained:
        """The final choice, among all labelled examples, in the time that a fold had or what is left if more."""
        whole, each = self.bench, self._share()
        own = Journal(whole.journal.path("final"))
        limit = None if each is None else max(each, whole.clock.left())
        self.bench = replace(whole, clock=Clock(own, limit))
        try:
            return super().trained()
        finally:
            self.bench = whole

    def _share(self) -> float | None:
        """Seconds for each fold; None where there is no limit."""
        clock, parts = self.bench.clock, len(self._parts()) + 1
        share: float | None = self.bench.journal.once(
            "outer", lambda: None if clock.budget is None else max(clock.left(), 0.0) / parts
        )
        return share

    @cached_property
    def folds(self) -> list[dict[str, Any]]:
        """What each fold found, repeat after repeat."""
        found = list[dict[str, Any]]()
        parts, bench, each = self._parts(), self.bench, self._share()
        with bench.reporter.track("outer folds", len(parts)) as advance:
            for repeat, fold, learn, aside in parts:
                name = f"outer-{repeat}-{fold}"
                found.append(bench.journal.once(name, lambda: self._fold(name, learn, aside, each)))  # noqa: B023
                bench.clock.stamp()
                advance(len(found))
        return found

    def _parts(self) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
        """Repeat, fold, and which examples are learned from and which judge."""
        train, parts = self.data.train, []
        judges = np.isin(train.ids, self.data.holdout.ids)
        for repeat in range(self.outer.repeats):
            splits = outer_folds(train, self.outer.folds, derive(self.bench.seed, "outer", repeat))
            parts += [(repeat, fold, learn, aside[judges[aside]]) for fold, (learn, aside) in enumerate(splits)]
        return [part for part in parts if len(part[3])]

    def _fold(self, name: str, learn: np.ndarray, aside: np.ndarray, seconds: float | None) -> dict[str, Any]:
        """Choose and train without the examples ``aside``, then have them judge; nothing else of the run is there."""
        folder, train = self.bench.journal.path(name), self.data.train
        journal = Journal(folder)
        seed = derive(self.bench.seed, name)
        bench = replace(self.bench, journal=journal, clock=Clock(journal, seconds), seed=seed, crew=Crew())
        data = replace(self.data, train=train.take(learn), holdout=train.take(aside), outer=None)
        job = Job(data, self.asked, bench)
        trained = job.trained()
        seeds = trained.facts["seeds"]
        judged = [job.judged(finish, chosen, seeds) for finish, chosen in trained.pair]
        for who, one in zip(_CONTESTANTS, judged, strict=True):
            write_array(folder / f"{who}.npy", one.record.outputs)
        rmtree(folder / "journal")  # the models of a fold have done their work
        (ours, theirs), sides = (chosen for _, chosen in trained.pair), [one.record.utility.mean() for one in judged]
        return {
            "rows": aside.tolist(), "source": ours.source, "method": ours.method, "network": theirs.source,
            "chosen": float(sides[0]), "scratch": float(sides[1]), "seeds": seeds, "seconds": bench.clock.spent,
        }  # fmt: skip

    def judged(self, finish: Finish, chosen: Candidate, seeds: int) -> keeping.Judged:
        """The contestant that learned from everything, and what the folds made of the examples."""
        who, rows = _CONTESTANTS[chosen.baseline], self._rows()
        outputs = self._outputs(who)
        dataset = self._aside(finish.source).take(rows)
        record = evaluation(list(outputs.reshape(-1, *outputs.shape[2:])), dataset, finish.problem(0).task)
        return keeping.Judged(finish, chosen.method, record, dataset, self.outer)

    def _aside(self, source: Any) -> Dataset:
        """All examples, as a source decodes them."""
        return self.bench.dataset(self.data.train, source.backbone.preprocess)

    def _rows(self) -> np.ndarray:
        """Which examples were judged, in every repeat."""
        each = [row for fold in self.folds for row in fold["rows"]]
        return np.flatnonzero(np.bincount(each, minlength=len(self.data.train)) == self.outer.repeats)

    def _outputs(self, who: str) -> np.ndarray:
        """What the folds' models answer, (R, S, N, K), of the examples that were judged; of the seeds that all have."""
        seeds, rows = min(fold["seeds"] for fold in self.folds), self._rows()
        found: dict[int, list[np.ndarray]] = {}
        for (repeat, fold, _, _), told in zip(self._parts(), self.folds, strict=True):
            outputs = np.load(self._folder(repeat, fold) / f"{who}.npy", allow_pickle=False)[:seeds]
            whole = found.setdefault(repeat, [np.zeros((seeds, len(self.data.train), outputs.shape[2]))])[0]
            whole[:, told["rows"]] = outputs
        return np.stack([whole[:, rows] for (whole,) in found.values()])

    def _folder(self, repeat: int, fold: int) -> Path:
        return self.bench.journal.path(f"outer-{repeat}-{fold}")

    def _contributions(self, trained: Trained, ours: keeping.Judged) -> list[dict[str, Any]]:
        """None, for the same reason as there is no curve."""
        return []

    def _certain(self, race: Race, kept: tuple[Finish, Candidate]) -> certainty.Certainty:
        """As trained: what would show whether a temperature helps was learned from."""
        return certainty.Certainty(why="every example judged in turn, so none is left to measure that on")

    def _curve(self, trained: Trained, holdouts: Sequence[Dataset]) -> list[dict[str, Any]]:
        """None: the examples that judge were learned from."""
        return []

    @cached_property
    def added(self) -> dict[str, Any]:
        """See `Job.added`: what each fold found, for the report."""
        places = [(repeat, fold) for repeat, fold, _, _ in self._parts()]
        rows = [
            {"repeat": repeat + 1, "fold": fold + 1, "examples": len(told["rows"])}
            | {key: value for key, value in told.items() if key != "rows"}
            for (repeat, fold), told in zip(places, self.folds, strict=True)
        ]
        seeds = min(row["seeds"] for row in rows)
        nested = {"folds": self.outer.folds, "repeats": self.outer.repeats, "learned": len(self.data.train)}
        about = (
            f" This is of the procedure, judged in {self.outer.folds} outer folds; the model that is kept is what it "
            f"makes of all {len(self.data.train)} labelled examples."
        )
        return {"about": about, "seeds": seeds, "nested": nested | {"outer": rows}}
