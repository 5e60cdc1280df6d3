"""Step 6: keep the model that is not worse, with everything that the report shows."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regraft import artifacts, guard, repeated, runs
from regraft.backbones._facts import facts
from regraft.certainty import Certainty
from regraft.core import catalog
from regraft.core.baseline import BASELINES
from regraft.core.config import to_plain
from regraft.core.describe import describe
from regraft.core.gauge import GAUGES
from regraft.core.labels import Labels
from regraft.core.records import Evaluation, Verdict
from regraft.data.dataset import Dataset
from regraft.data.members import Member
from regraft.evaluation import figures, predict
from regraft.finishing import Finish, Team, write_array
from regraft.maps import before_and_after
from regraft.model import Model
from regraft.readers._domains import single
from regraft.repeated import Outer
from regraft.runtime import Runtime
from regraft.sources import Source
from regraft.tasks._base import Task
from regraft.tasks.multilabel import Multilabel

_SHOWN = {Labels.CLASSES: "targets", Labels.NUMBERS: "numbers", Labels.SETS: "sets"}
"""What the labels of the holdout are called in its file."""
_ONCE = "the holdout, once"
_READ = {
    "scratch": "race: the labelled target examples, by cross-validation",
    "source_only": "race: none of the target's",
}


@dataclass(frozen=True)
class Judged:
    """A trained contestant and what it made of the holdout."""

    finish: Finish
    method: str
    record: Evaluation
    holdout: Dataset
    outer: Outer | None = None
    """How the target was divided where there is no holdout: ``record`` then has a row for each repeat and seed."""

    @property
    def task(self) -> Task:
        """What was learned."""
        return self.finish.problem(0).task

    @property
    def methods(self) -> list[str]:
        """Those that made it: of models that answer together, one for each."""
        return [name for _, name, _ in self.finish.parts] if isinstance(self.finish, Team) else [self.method]

    def remember(self, folder: Path) -> None:
        """Write beside the model which examples it learned from, in this run or before it became a source."""
        finishes = [part for part, _, _ in self.finish.parts] if isinstance(self.finish, Team) else [self.finish]
        here = [d for f in finishes for d in (f.train_data, f.unlabeled, f.source.domain and f.source.domain.train)]
        read = [data.examples for data in here if data]
        labelled, unlabelled = ({d for e in read if (e.labels is None) == bare for d in e.digests} for bare in (0, 1))
        runs.remember_seen(folder, labelled, unlabelled, single([finish.source.uri for finish in finishes]))

    @property
    def model(self) -> Model:
        """The model of the first seed: the one that is shipped if this contestant is."""
        return self.finish.load(self.method, 0)


def result(verdict: Verdict, ours: Judged, theirs: Judged) -> dict[str, Any]:
    """The verdict and the figures behind it."""
    level, against = verdict.gain.level, BASELINES[theirs.method].against
    labels, of_model = by_label(ours, theirs, level), _of_model(ours, theirs, level)
    helped = ships(verdict.outcome, verdict.gain.mean, of_model.get("model_verdict", ""))
    behind = not helped and "hurts" not in (verdict.outcome, of_model.get("model_verdict"))
    only_this = f" {of_model['model_sentence']}" if verdict.outcome != "hurts" and not (helped or behind) else ""
    sentence = f"{verdict.sentence}{ruined(labels, level)}{only_this}"
    finalist = {"source": ours.finish.source.uri, "method": ours.method}
    return {
        "verdict": verdict.outcome,
        "task": catalog.name_of(type(ours.task)),
        "sentence": sentence if helped else f"{sentence} The model {against} is kept{', which did better' * behind}.",
        "gain": to_plain(verdict.gain),
        "tests": verdict.tests,
        **of_model,
        "needed": _needed(verdict, ours, theirs),
        "chosen": finalist if helped else {"source": None, "method": theirs.method},
        "finalist": finalist,
        "shipped": "transfer" if helped else "scratch",
        "against": theirs.method,
        "notes": ours.model.notes,
        "scratch": {"network": theirs.finish.source.uri},
        "metrics": _measured(ours, level),
        "baseline": _measured(theirs, level),
        "labels_read": [_READ[theirs.method], "judgement: " + (outer.said if (outer := ours.outer) else _ONCE)],
        "labels": labels,
        "citations": {n: _reference(n) for judged in (ours, theirs) for n in judged.methods},
        "precision_check": _agreement(ours),
    }


def ships(outcome: str, gain: float, of_model: str) -> bool:
    """Whether the transfer is kept: not if it is surely worse by either question, nor if it is unproven and behind.

    Then the model that it was compared with is kept, which is simpler.
    """
    return "hurts" not in (outcome, of_model) and not (outcome == "undecided" and gain < 0)


def _of_model(ours: Judged, theirs: Judged, level: float) -> dict[str, Any]:
    """The verdict on the very models; empty without a holdout: nothing is left that could judge what is kept."""
    if ours.outer is not None:
        return {}
    model, against = guard.judge_model(ours.record, theirs.record, level=level), BASELINES[theirs.method].against
    sentence = guard.describe_model(model, ours.task.gauge, against)
    return {"model_verdict": model.outcome, "model_gain": to_plain(model.gain), "model_sentence": sentence}


def _needed(verdict: Verdict, ours: Judged, theirs: Judged) -> dict[str, Any]:
    """How many more examples or seeds would decide a comparison that is open; empty for one that is decided."""
    if verdict.outcome != "undecided" or ours.outer is not None:
        return {}
    found = guard.needed(ours.record, theirs.record, level=verdict.gain.level)
    seeds, examples = ours.record.utility.shape
    return {**to_plain(found), "sentence": guard.describe_needed(found, ours.task.gauge, seeds, examples)}


def compared(ours: Judged, theirs: Judged, level: float) -> Verdict:
    """The verdict on two contestants, its sentence to be written."""
    return _compared((ours.record.utility, theirs.record.utility), ours.record.groups, ours.outer, level)


def _compared(
    pair: tuple[np.ndarray, np.ndarray], groups: Sequence[str] | None, outer: Outer | None, level: float
) -> Verdict:
    """On utilities (S, N), or, without a holdout, of repeats one after another (R S, N)."""
    if outer is None:
        return guard.judge(*pair, groups, level)
    ours, theirs = (values.reshape(outer.repeats, -1, values.shape[1]) for values in pair)
    return repeated.judge(ours, theirs, replace(outer, groups=groups), level)


def by_label(ours: Judged, theirs: Judged, level: float) -> list[dict[str, Any]]:
    """For each class or label of a set: the holdout's examples of it, and figures, means over seeds; else empty.

    Of classes also the gain on their examples with its interval at ``level``, and its p-value ``adjusted`` for all of
    them (Holm): a transfer that helps on average may ruin a class.
    """
    if isinstance(ours.task, Multilabel):
        return _of_sets(ours, theirs)
    targets, rows = ours.record.targets, list[dict[str, Any]]()
    for c, name in enumerate(ours.task.classes):
        if not (here := targets == c).any():
            continue
        groups = None if ours.record.groups is None else [ours.record.groups[i] for i in np.flatnonzero(here)]
        utility = {who: judged.record.utility[:, here] for who, judged in (("chosen", ours), ("scratch", theirs))}
        verdict = _compared((utility["chosen"], utility["scratch"]), groups, ours.outer, level)
        found = {who: {"accuracy": float(value.mean())} for who, value in utility.items()}
        gain = {key: getattr(verdict.gain, key) for key in ("mean", "low", "high")}
        rows.append({"label": name, "holdout": int(here.sum()), **found, "gain": gain, "p": verdict.tests["gain_p"]})
    each = guard.holm([row["p"] for row in rows])
    return [{**row, "adjusted": float(p)} for row, p in zip(rows, each, strict=True)]


def _of_sets(ours: Judged, theirs: Judged) -> list[dict[str, Any]]:
    targets, rows = ours.record.targets, []
    for z, name in enumerate(ours.task.classes):
        rows.append({"label": name, "holdout": int(targets[:, z].sum())})
        for who, judged in (("chosen", ours), ("scratch", theirs)):
            rows[-1][who] = Multilabel.figures(judged.record.outputs[..., z], targets[:, z])
    return rows


def ruined(rows: Sequence[dict[str, Any]], level: float) -> str:
    """A sentence that names the classes on which the transfer is surely worse; empty if there is none."""
    worse = [row for row in rows if row.get("adjusted", 1.0) < 1 - level and row["gain"]["mean"] < 0]
    worse.sort(key=lambda row: row["gain"]["mean"])
    if not worse:
        return ""
    named = ", ".join(f"{row['label']} ({-100 * row['gain']['mean']:.1f} points)" for row in worse[:5])
    more = f" and {len(worse) - 5} more" if len(worse) > 5 else ""
    return f" It is worse on {len(worse)} of {len(rows)} classes: {named}{more}."


def metrics(record: Evaluation, task: Task, level: float = 0.95) -> dict[str, dict[str, float]]:
    """Every metric of the task with its interval, as plain values."""
    found = figures(record, task, level)
    return {name: {"mean": value.mean, "low": value.low, "high": value.high} for name, value in found.items()}


def _measured(judged: Judged, level: float) -> dict[str, dict[str, float]]:
    """The metrics; without a holdout the mean utility has the wider interval of repeated cross-validation."""
    found, outer, name = metrics(judged.record, judged.task, level), judged.outer, judged.task.gauge.metric
    if outer is not None and not judged.task.gauge.lower:
        utility = judged.record.utility.reshape(outer.repeats, -1, len(judged.record.ids))
        value = repeated.interval(utility, replace(outer, groups=judged.record.groups), level)
        found[name] = {"mean": value.mean, "low": value.low, "high": value.high}
    return found


def described(source: Source, found: dict[str, Any]) -> dict[str, Any]:
    """What is said of a source in the report: what it is, and what the run ``found`` of its effect."""
    kind = "runs" if Path(source.uri).is_dir() else source.uri.partition(":")[0]
    parameters = sum(p.numel() for p in source.model.backbone.parameters())
    understood = dict(source.understood)
    effect, lost, gauge = found["effects"].get(source.uri), found["forgetting"], GAUGES[found["task"]]
    if effect:
        less = f" less {gauge.what}" if gauge.lower else ""
        said = f"{gauge.difference(effect['effect'])} {gauge.unit}{less}, standard error {gauge.size(effect['error'])}"
        understood["its best candidate against scratch, after short descents"] = said
    if lost and source.uri == found["finalist"]["source"]:
        ends = f"{gauge.difference(lost['change']['low'])} to {gauge.difference(lost['change']['high'])} {gauge.unit}"
        after, before = (f"{-lost[w]:.2f}" if gauge.lower else f"{100 * lost[w]:.1f}%" for w in ("after", "before"))
        said = f"{after} after transfer, {before} before (change {ends})"
        said += f", by {lost['through']}"
        understood[f"{gauge.what} on its own examples"] = said
    if found["finalist"]["source"] == source.uri:
        understood |= found["notes"]
    known = facts(source.backbone, source.model.backbone)
    understood |= {"network": known.network} | {k: understood.get(k, v) for k, v in known.origin.items()}
    carried = source.model.backbone.carried
    return {
        "uri": source.uri, "kind": kind, "parameters": parameters, "understood": understood, "facts": to_plain(known),
        "carried": carried.plain if carried else None,
    }  # fmt: skip


def keep(found: dict[str, Any], ours: Judged, theirs: Judged, certain: Certainty) -> dict[str, Any]:
    """Write the kept model, the evaluation, the maps and, last, ``run.json``; returns the completed result."""
    kept, bench = ours if found["shipped"] == "transfer" else theirs, ours.finish.bench
    folder = bench.journal.folder
    facts = {"sentence": found["sentence"], "label": ours.holdout.examples.label, **certain.kept}
    artifacts.save(folder, kept.model, kept.finish.source.backbone, kept.task, facts)
    kept.remember(folder)
    for name, judged in (("chosen", ours), ("scratch", theirs)):
        write_array(folder / "evaluation" / f"{name}-outputs.npy", judged.record.outputs.astype(np.float32))
    examples = ours.holdout.examples
    items = [str(item.resolve() if isinstance(item, Path | Member) else item) for item in examples.items]
    shown = {"ids": examples.ids, "kind": examples.kind, "items": items}
    shown |= {_SHOWN[examples.labelling]: _plain(ours.holdout.labels), "classes": examples.classes}
    runs.write_json(folder / "evaluation" / "holdout.json", shown)
    if ours.outer is None and bench.clock.left() > 10:
        maps = before_and_after(ours.finish.source, ours.model, ours.holdout, bench.seed)
        if maps:
            runs.write_json(folder / "maps.json", maps)
    runs.write_json(folder / "environment.json", _environment(ours.finish.source))
    complete = {**found, "seconds": round(bench.clock.spent, 1), "run": str(folder), "version": version("regraft")}
    runs.write_json(folder / runs.RESULT, complete)
    return complete


def _plain(labels: np.ndarray) -> list[Any]:
    """Labels for a file; of label sets the indices of those that an example has."""
    return [np.flatnonzero(row).tolist() for row in labels] if labels.ndim == 2 else list(labels.tolist())


def _agreement(judged: Judged) -> float:
    """Share of (at most 200) holdout examples on which the chosen precision and fp32 predict the same class."""
    source, some = judged.finish.source, judged.holdout.take(np.arange(min(200, len(judged.holdout))))
    if source.inference.precision == "fp32":
        return 1.0
    exact = Runtime(device=source.inference.device)
    model, preprocess = judged.model, source.backbone.preprocess
    answers = [predict(model, some, preprocess, judged.task, r) for r in (source.inference, exact)]
    return float(judged.task.same(*answers).mean())


def _reference(method: str) -> str:
    path = catalog.files("methods").get(method.partition("?")[0])
    text = describe(path).doc if path else ""
    return " ".join(text.partition("Reference:")[2].split())


def _environment(source: Source) -> dict[str, str]:
    names = ("torch", "torchvision", "timm", "scikit-learn", "numpy")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "device": source.training.device,
        "training precision": source.training.precision,
        "inference precision": source.inference.precision,
        "threads": str(torch.get_num_threads()),
        "machine": platform.machine(),
    }
