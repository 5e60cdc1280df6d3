"""Say what a run's model sees in examples."""

from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from regraft import artifacts, guard
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.prediction import predict_items
from regraft.tasks._base import Answer, LabelSet, Ranked


@settings
class Predict:
    """The likeliest class of each example with its probability; or its number, or every label above one half."""

    run: Annotated[Path, "positional"]
    """The run's folder."""
    paths: Annotated[tuple[str, ...], "positional"] = ()
    """Files, folders or tables of examples; or texts."""
    top: int = 1
    """How many classes to name for each example; of label sets: how many of those that it has not."""
    adapt: Literal["none", "adabn", "tent"] = "none"
    """Adapt a copy of the model to all that is given together: its batch normalisation (adabn), then surer (tent)."""
    sets: Annotated[float | None, Field(gt=0, lt=1)] = None
    """Also a set of classes (or labels, or a range) that is to hold the truth in this share of cases, such as 0.9."""
    device: str = "auto"
    """auto, cpu or cuda."""


def main(options: Predict, reporter: Reporter) -> dict[str, Any]:
    """Predictions in the order of the paths; what cannot be read is listed under ``skipped``.

    Raises:
        UserError: there is no model, no path, or nothing that can be read.
    """
    if not options.paths:
        raise UserError("no examples given: regraft predict RUN PATH [PATH ...]")
    if options.top < 1:
        raise UserError(f"option 'top' must be at least 1, got {options.top}")
    model, backbone = artifacts.load(options.run)
    limit = None if options.sets is None else _limit(options)
    found, skipped = predict_items(model, backbone, options.paths, options.device, options.adapt)
    if options.adapt != "none":
        many = f"{len(found)} example{'s' * (len(found) > 1)}"
        reporter.say(f"a copy of the model was adapted to {many} by {options.adapt}; {options.run} is as it was")
    predictions = [{"path": path, **_plain(answer, options.top)} for path, answer in found]
    if limit is not None:
        predictions = [{**row, **_within(answer, limit)} for row, (_, answer) in zip(predictions, found, strict=True)]
    return {"run": str(options.run), "adapted": options.adapt, "predictions": predictions, "skipped": skipped}


def _limit(options: Predict) -> float:
    """The score up to which answers are in the set: infinite where a set of this level must hold everything."""
    if options.adapt != "none":
        raise UserError("sets were calibrated for the model as it is; give --sets or --adapt, not both")
    scores = artifacts.manifest_of(options.run).get("scores", [])
    if not scores:
        raise UserError(
            f"the model in {options.run} was kept without examples to calibrate sets with; leave --sets out"
        )
    assert options.sets is not None
    return guard.threshold(scores, options.sets)


def _within(answer: Answer, limit: float) -> dict[str, Any]:
    """The set of one example, or its range; ends are None where the level asks for all numbers."""
    if isinstance(answer, float):
        return {"range": [answer - limit, answer + limit] if isfinite(limit) else [None, None]}
    exclusive = not isinstance(answer, LabelSet)
    ranked = answer if not isinstance(answer, LabelSet) else [*answer.labels, *answer.below]
    chosen = guard.sets(np.array([[p for _, p in ranked]]), limit, exclusive)[0]
    return {"set": [name for (name, _), inside in zip(ranked, chosen, strict=True) if inside]}


def _plain(answer: Answer, top: int) -> dict[str, Any]:
    if isinstance(answer, LabelSet):
        return {"labels": answer.labels, "next": answer.below[:top]}
    return {"value": answer} if isinstance(answer, float) else {"classes": answer[:top]}


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    lines = []
    for row in result["predictions"]:
        if "value" in row:
            lines.append(f"{row['path']}: {row['value']:.5g}{_set(row)}")
            continue
        answer = _listed(row["labels"]) or "none" if "labels" in row else _listed(row["classes"])
        after = f" (next: {_listed(row['next'])})" if row.get("next") else ""
        lines.append(f"{row['path']}: {answer}{after}{_set(row)}")
    lines += [f"{path}: skipped ({reason})" for path, reason in result["skipped"]]
    return "\n".join(lines)


def _set(row: dict[str, Any]) -> str:
    if "range" in row:
        return " [any number]" if row["range"][0] is None else " [{:.5g} to {:.5g}]".format(*row["range"])
    return f" {{{', '.join(row['set'])}}}" if "set" in row else ""


def _listed(ranked: Ranked) -> str:
    return ", ".join(f"{name} {probability:.3f}" for name, probability in ranked)
