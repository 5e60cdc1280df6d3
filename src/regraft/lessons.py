"""What a finished run can still tell: the effect of each source, forgetting, and accuracy against number of labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import weightedtau

from regraft import guard
from regraft.blind import BlindRace
from regraft.candidates import Candidate
from regraft.core import catalog
from regraft.core.config import to_plain
from regraft.core.errors import CandidateError, UserError
from regraft.core.gauge import Gauge
from regraft.core.labels import Labels
from regraft.core.records import Evaluation
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.data.draws import draw
from regraft.data.examples import Examples
from regraft.data.splits import clusters
from regraft.evaluation import predict
from regraft.finishing import Finish
from regraft.keeping import Judged
from regraft.model import Model
from regraft.selectors._base import Selector
from regraft.selectors._oracle import beside, scores, withholding
from regraft.sources import Source

FEWEST_NUMBERS = 5
"""Labels in all at which the curve starts where they are numbers."""
POINTS = (1, 2, 5, 10, 20, 50, 100, 200)
"""Labels per class at which the curve is measured, as far as there are labels."""
LEARNED = 0.8
"""Share of its own examples that a model from scratch has right, if it had steps enough."""
LEVEL = 0.05
"""Share of the numbers' variance below which a model that explains it is about level with a constant."""
_SOURCE_EXAMPLES = 1000


def effects(raced: Sequence[Candidate]) -> dict[str, dict[str, float]]:
    """For each source the cross-validated utility of its best candidate minus that of scratch, and its standard error.

    Compared are short descents, which all had. The race saw the labelled target only; as the best of several, the
    figure is a little optimistic.
    """
    found: dict[str, dict[str, float]] = {}
    scored = sorted((c for c in raced if c.first is not None), key=lambda c: -(c.first or 0.0))
    scratch = next((c for c in scored if c.baseline), None)
    for c in scored:
        if scratch and not c.baseline and c.source not in found:
            error = float(np.hypot(c.error or 0.0, scratch.error or 0.0))
            found[c.source] = {"effect": (c.first or 0.0) - (scratch.first or 0.0), "error": error}
    return found


def foretold(
    place: Mapping[str, int], ranking: Sequence[Mapping[str, Any]], raced: Sequence[Candidate]
) -> dict[str, Any]:
    """How well the order ``place`` of the sources, and each score of the ``ranking``, foretold the race."""
    return {"ranking_agreement": agreement(place, raced), "score_agreement": agreements(ranking, raced)}


def agreement(place: Mapping[str, int], raced: Sequence[Candidate]) -> float | None:
    """Weighted Kendall correlation of the ranking with the order of the sources in the race; None for one source.

    Reference: Vigna, A weighted correlation index for rankings with ties, WWW 2015.
    """
    best = {uri: at for uri, (at, _) in _best(raced).items() if uri in place}
    return _tau([-place[s] for s in best], list(best.values()))


def agreements(ranking: Sequence[Mapping[str, Any]], raced: Sequence[Candidate]) -> dict[str, dict[str, float | None]]:
    """How well the combined ranking and each score, the prior among them, foretold the race, the best ``tau`` first.

    ``tau``: see `agreement`, None where the score says the same of all sources. ``regret``: how much better the best
    source did in the race (in mean utility) than the one that the score would have taken; of several at the top, their
    mean. A score that lacks a source which raced is left out. A score to be believed beats ``prior``.
    """
    best = _best(raced)
    rows = [row for row in ranking if row["source"] in best]
    if len(rows) < 2:
        return {}
    said = {"combined": {row["source"]: -float(row["rank"]) for row in rows}}
    for row in rows:
        values = {name: score["value"] for name, score in row["scores"].items()} | dict(row.get("beside", {}))
        for name, value in values.items():
            said.setdefault(name, {})[row["source"]] = value
    truth = {row["source"]: best[row["source"]] for row in rows}
    found = {name: _foretold(of, truth) for name, of in said.items() if len(of) == len(rows)}
    return dict(sorted(found.items(), key=lambda item: -(-2.0 if item[1]["tau"] is None else item[1]["tau"])))


def _foretold(said: Mapping[str, float], truth: Mapping[str, tuple[float, float]]) -> dict[str, float | None]:
    top = [truth[s][1] for s, value in said.items() if value == max(said.values())]
    tau = _tau(list(said.values()), [truth[s][0] for s in said])
    return {"tau": tau, "regret": max(utility for _, utility in truth.values()) - float(np.mean(top))}


def _best(raced: Sequence[Candidate]) -> dict[str, tuple[float, float]]:
    """What is expected of the best candidate of each source that raced, and its mean utility."""
    found: dict[str, tuple[float, float]] = {}
    for c in raced:
        if c.score is not None and not c.baseline:
            found[c.source] = max(found.get(c.source, (-np.inf, -np.inf)), (c.expected, c.score))
    return found


def _tau(said: Sequence[float], truth: Sequence[float]) -> float | None:
    tau = float(weightedtau(said, truth).statistic) if len(said) > 1 else np.nan
    return tau if np.isfinite(tau) else None


def forgetting(finish: Finish, method: str, seeds: int = 1, level: float = 0.95) -> dict[str, Any] | None:
    """Mean utility on (at most 1,000) source examples before and after transfer, and the change with its interval.

    Where source and target have the same classes, the transferred model answers. Where they differ, the source's own
    head does, on the transferred features: what they still hold of the source task. ``through`` says which. None where
    there are no source examples or the source's head does not know their classes.
    """
    source, domain = finish.source, finish.source.domain
    task = source.model.task
    if domain is None or task is None or domain.train.classes != source.model.classes:
        return None
    data, target = domain.train, finish.train_data
    if data.examples.labelling is not task.labels:
        return None
    same = data.classes == target.classes and data.examples.labelling is target.examples.labelling
    rows = np.random.default_rng(derive(finish.bench.seed, "forgetting")).permutation(len(data))[:_SOURCE_EXAMPLES]
    some = data.take(np.sort(rows))
    after = [finish.load(method, seed) for seed in range(seeds)]
    after = after if same else [_headed(model, source.model) for model in after]
    found = [predict(m, some, source.backbone.preprocess, task, source.inference) for m in (source.model, *after)]
    before, *later = (task.utility(one, some.labels) for one in found)
    verdict = guard.judge(np.stack(later), np.stack([before] * seeds), clusters(some.examples), level)
    change = {key: getattr(verdict.gain, key) for key in ("mean", "low", "high")}
    through = "the transferred model" if same else "the source's own head on the transferred features"
    return {"before": float(before.mean()), "after": float(np.mean(later)), "change": change, "through": through}


def _headed(model: Model, source: Model) -> Model:
    """The features of a model under the head of its source."""
    return Model(model.backbone, source.head, source.classes).eval()


Contestant = tuple[Finish, str, int]
"""What was trained: on which source, by which method, for how many steps."""


def curve(pair: Sequence[Contestant], holdouts: Sequence[Dataset], seconds: float) -> list[dict[str, Any]]:
    """Utility of each holdout example at numbers of labels per class for the transfer and for scratch, one seed.

    Smaller draws are part of the larger ones. The curve describes; nothing is chosen by it. ``seconds``: what a point
    is expected to take; those for which the budget has no room are left out.
    """
    bench, examples = pair[0][0].bench, pair[0][0].train_data.examples
    rows: list[dict[str, Any]] = []
    if examples.labels is None:
        return rows
    least = FEWEST_NUMBERS if examples.numeric else 1
    for shots in [p for p in POINTS if least <= p < min(examples.counts().values())]:
        if bench.clock.left(0.9) < 1.5 * seconds:
            break
        try:
            drawn = draw(examples, shots, bench.seed)
            ours, theirs = (_at(one, drawn, data) for one, data in zip(pair, holdouts, strict=True))
        except (CandidateError, UserError):  # copies, groups and label sets may not leave enough to draw from
            break
        rows.append({"labels": shots, "chosen": ours.tolist(), "scratch": theirs.tolist()})
    return rows


def told(
    curve: Sequence[dict[str, Any]], train: Examples, pair: tuple[Evaluation, Evaluation], gauge: Gauge, level: float
) -> dict[str, Any]:
    """The ``curve`` to its end, all labels of ``train`` and all seeds, and how many labels the transfer is worth."""
    if not curve:
        return {"curve": [], "worth": {}}
    (ours, theirs), end = pair, min(train.counts().values())
    labels = [*(row["labels"] for row in curve), end]
    values = {
        "chosen": [*(np.array(row["chosen"]) for row in curve), ours.utility],
        "scratch": [*(np.array(row["scratch"]) for row in curve), theirs.utility],
    }
    points = [
        {"labels_per_class": n, **{who: {"mean": float(values[who][i].mean())} for who in values}}
        for i, n in enumerate(labels)
    ]
    found = guard.worth(labels, **values, groups=ours.groups, level=level)
    sentence = guard.describe_worth(found, gauge, level)
    return {"curve": points, "worth": {"points": [to_plain(one) for one in found], "sentence": sentence}}


def caution(raced: Sequence[Candidate], chosen: Candidate, ours: Judged, theirs: Judged) -> str:
    """A sentence on what speaks against a comparison, or empty: ``chosen`` as it was judged beside its rival.

    A rival from scratch that has not learned its own examples had too few steps to be a fair one, and numbers that err
    more than a constant are of no use. Where no label could be read, the selector may like the source as it is better
    than all that was raced.
    """
    rival, method = theirs.finish, theirs.method
    if method == "source_only":
        before = max((c.score for c in raced if c.baseline and c.score is not None), default=-np.inf)
        if chosen.score is None or chosen.score >= before:
            return ""
        return " Beware: by what chose without labels, the model without adaptation is better than all that was raced."
    task = rival.problem(0).task
    if task.labels is Labels.NUMBERS:
        return _worse_than_a_constant({"the transfer": ours.record, "the model from scratch": theirs.record})
    right = _utility(rival, rival.load(method, 0), rival.train_data, task) if task.labels is Labels.CLASSES else 1.0
    if right >= LEARNED:
        return ""
    return (
        f" Beware: the model from scratch has only {right:.0%} of the examples right that it learned from, so it had "
        "too few steps; more of them (--steps, --budget) may narrow the gain."
    )


def _worse_than_a_constant(records: Mapping[str, Evaluation]) -> str:
    """Whose squared error on the holdout is hardly smaller than that of the mean of its numbers, or larger."""
    explained = {
        who: 1 - float(((one.outputs[..., 0] - one.targets) ** 2).mean() / max(np.var(one.targets), 1e-12))
        for who, one in records.items()
    }
    bad = [f"{who} (R2 {share:.2f})" for who, share in explained.items() if share < LEVEL]
    if not bad:
        return ""
    return (
        f" Beware: a constant, the mean of the numbers that judge, errs about as much as, or less than, "
        f"{' and '.join(bad)}; more steps (--steps, --budget) or labels may help."
    )


def hindsight(race: BlindRace, raced: Sequence[Candidate], holdout: Callable[[Source], Dataset]) -> dict[str, Any]:
    """Which of the transfers that the race trained each selector would have taken, and which was best in truth.

    ``holdout``: the examples that judged, as a source decodes them. This is hindsight: it is for when the verdict is
    there, and nothing is chosen by it. Each selector scores the race's models by what it says that it reads; the truth
    is their mean utility on the holdout, and the oracle takes the best by it. Empty where there are no two to compare,
    or the budget has no time to.
    """
    clock, transfers = race.bench.clock, [c for c in raced if c.score is not None and not c.baseline]
    rules = {name: rule for name, rule in withholding(race.entrants.labels).items() if rule.compares}
    truth, said = list[float](), list[dict[str, float | str]]()
    for done, candidate in enumerate(transfers if len(transfers) > 1 else (), 1):
        begun, source, problem = clock.spent, race.sources[candidate.source], race.problem(candidate)
        model, judged = race.model(candidate), holdout(source)
        found = predict(model, judged, source.backbone.preprocess, problem.task, source.inference)
        truth.append(float(problem.task.utility(found, judged.labels).mean()))
        said.append(scores(rules, model, problem))
        if clock.left() < 1.5 * (len(transfers) - done) * (clock.spent - begun):
            return {}
    rows = [_beside(rule, [s[name] for s in said], truth, transfers) for name, rule in rules.items()] if said else []
    rows.sort(key=lambda row: row.get("regret", np.inf))
    best = _pair(transfers[int(np.argmax(truth))]) | {"utility": max(truth)} if said else {}
    return {"compared": len(truth), "oracle": best, "selectors": rows} if said else {}


def _beside(
    rule: Selector, said: Sequence[float | str], truth: Sequence[float], transfers: Sequence[Candidate]
) -> dict[str, Any]:
    """What a selector takes by what it ``said`` of each transfer, or why it could not compare all of them."""
    unable = [reason for reason in said if isinstance(reason, str)]
    about = {"selector": catalog.name_of(type(rule)), "labels": rule.labels}
    if unable:
        return {**about, "reason": unable[0]}
    found = beside(rule, [float(score) for score in said], truth)
    rank = found.correlation if np.isfinite(found.correlation) else None
    figures = {"utility": found.utility, "regret": found.regret, "correlation": rank}
    return {**about, **_pair(transfers[found.chosen]), **figures}


def _pair(candidate: Candidate) -> dict[str, Any]:
    return {"source": candidate.source, "method": candidate.method}


def _at(contestant: Contestant, rows: np.ndarray, holdout: Dataset) -> np.ndarray:
    finish, name, steps = contestant
    model = finish.learned(name, steps, rows, ("curve",))
    return _each(finish, model, holdout, model.task)  # numbers are in the units of what it learned from


def _utility(finish: Finish, model: Any, data: Dataset, task: Any) -> float:
    return float(_each(finish, model, data, task).mean())


def _each(finish: Finish, model: Any, data: Dataset, task: Any) -> np.ndarray:
    """Utility (N,) in the units of all labels, whatever labels the model had."""
    found = predict(model, data, finish.source.backbone.preprocess, task, finish.source.inference)
    return np.round(finish.problem(0).task.utility(found, data.labels), 6)
