"""Which source will transfer best: several scores on remembered features, combined, and how sure the ranks are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from regraft.bench import Bench
from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.core.records import Interval
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.data.examples import Examples
from regraft.edits.new_head import answers, said
from regraft.features import Memory, features
from regraft.model import Model
from regraft.scores._base import Evidence
from regraft.scores._probe import along
from regraft.sources import Source
from regraft.tasks._choice import task_for

FEATURES = ("knn", "linear_probe", "logme", "gbc", "leep")
"""Scores of features, whose mean is one vote. The last needs what the source predicts: it counts if all sources do."""
HEAD = "zero_shot"
"""The score of what the source's head says as it is: the other vote. Wrong names do not spoil features."""
VOTING = (*FEATURES, HEAD)
"""Scores that make the combined rank."""
LOUDEST = 3.0
"""Most that one score can say for or against a source, in its own standard errors."""
KEPT = 0.8
"""Share of the labelled examples in a subsample."""
RESAMPLES = 20
"""Subsamples that intervals are from."""
BESIDE = 500
"""Most labelled examples, and most examples of a source's own, that scores which do not vote are told of."""


@dataclass(frozen=True)
class Measured:
    """Scores of one source: ``whole`` (K,) on all labelled examples, ``draws`` (R, K) on subsamples of them.

    Not a number where a score lacks what it needs or there are too few labels for it.
    """

    whole: np.ndarray
    draws: np.ndarray


def known_of(source: Source, train: Dataset, bench: Bench, own: bool = True) -> Evidence:
    """What is known of a source on the labelled target, as it decodes it, before any training.

    ``own``: also of its own labelled data, if there are any, at most `BESIDE` examples, which costs a pass over them.
    """
    backbone, memory = source.model.backbone, Memory(source.inference, bench.cache)
    known = seen(source.model, features(backbone, train, source.backbone.preprocess, memory), train.examples)
    if source.domain is None or not own:
        return known
    data = source.domain.train
    some = data.take(np.sort(np.argsort(np.array(data.examples.digests))[:BESIDE]))  # by content: no order matters
    z = features(backbone, some, source.backbone.preprocess, memory)
    return replace(known, source_features=z, source_labels=some.labels)


def seen(model: Model, x: np.ndarray, examples: Examples) -> Evidence:
    """What features ``x`` (N, D) of labelled ``examples``, and the head of ``model`` as it is, say before training."""
    task, parameters = task_for(examples), sum(p.numel() for p in model.backbone.parameters())
    outputs = said(model, task, examples.classes, x)
    names = model.task is not None and model.task.labels is Labels.CLASSES
    own = answers(model, x).softmax(1).numpy() if names else None
    assert examples.labels is not None
    recognised = np.zeros(len(x)) if outputs is None else task.beyond_chance(outputs, examples.labels)
    return Evidence(x, examples.labels, own, parameters, recognised=recognised)


def rank(evidence: Mapping[str, Evidence], seed: int = 0, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """Sources from the most to the least promising; see `placed`. The order of the examples does not matter."""
    known = _ordered(evidence)
    found = {uri: measured(one, VOTING, seed, resamples) for uri, one in known.items()}
    return placed(found, VOTING, next(iter(known.values())).labels)


def told(evidence: Mapping[str, Evidence], seed: int = 0) -> list[dict[str, Any]]:
    """What `rank` says, each source with the values of the scores that do not vote ``beside``."""
    others = beside(evidence, seed)
    return [{**row, "beside": others[row["source"]]} for row in rank(evidence, seed)]


def beside(evidence: Mapping[str, Evidence], seed: int = 0) -> dict[str, dict[str, float]]:
    """For each source the scores that do not vote, as far as they can be had, on at most `BESIDE` labelled examples."""
    names = [name for name in catalog.names("scores") if name not in VOTING]
    found = {}
    for uri, known in _ordered(evidence).items():
        some = np.sort(np.random.default_rng(derive(seed, "beside")).permutation(len(known.labels))[:BESIDE])
        values = zip(names, _scores(_taken(known, some), names), strict=True)
        found[uri] = {name: float(value) for name, value in values if np.isfinite(value)}
    return found


def measured(evidence: Evidence, names: Sequence[str], seed: int, resamples: int = RESAMPLES) -> Measured:
    """The scores ``names`` of one source. The subsamples of equal seeds are of the same examples for all sources.

    They are drawn without replacement, because copies of an example would be each other's neighbours.
    """
    count, draws = len(evidence.labels), []
    for seed_of_draw in (derive(seed, "ranking", i) for i in range(resamples)):
        rows = np.sort(np.random.default_rng(seed_of_draw).permutation(count)[: _drawn(count)])
        draws.append(_scores(_taken(evidence, rows), names))
    return Measured(_scores(evidence, names), np.stack(draws))


def placed(found: Mapping[str, Measured], names: Sequence[str], labels: np.ndarray) -> list[dict[str, Any]]:
    """Sources from the most to the least promising, by the scores ``names`` on ``labels``.

    Intervals of scores (90%) stay where the score can be; at its end they are those of `Interval.within`.

    Each score votes with its distance from the mean of all sources, in standard errors, at most three: one that cannot
    tell the sources apart says little. The mean vote of the scores of features and that of `HEAD` are added. Standard
    errors and the intervals of the ranks (5% to 95%) come from subsamples of four fifths of the labelled examples; they
    are those of the delete-d jackknife (Shao and Wu, A general theory for jackknife variance estimation, Annals of
    Statistics 1989).

    Returns:
        For each source: ``source``; ``rank`` (1 is best); ``low``, ``high``; ``tied`` (its interval meets the best's);
        ``vote``, the sum of its two votes; ``scores``, each with ``value``, ``low`` and ``high``.
    """
    sources, count = list(found), len(labels)
    whole, draws = np.stack([m.whole for m in found.values()]), np.stack([m.draws for m in found.values()], axis=1)
    voting = np.isfinite(whole).all(0) & np.isfinite(draws).all((0, 1))
    wider = (KEPT / (1 - KEPT)) ** 0.5  # delete-d jackknife: subsamples share most examples, so they differ too little
    errors = draws.std(0) * wider
    error = np.maximum(errors.mean(0), 1e-9)
    head = np.array([name == HEAD for name in names])
    votes = _combined(whole, error, voting, head)
    ranks = rankdata(-votes, method="ordinal").astype(int)
    spread = whole + wider * (draws - draws.mean(0))
    resampled = np.stack([rankdata(-_combined(draw, error, voting, head)) for draw in spread])
    low, high = np.quantile(resampled, (0.05, 0.95), axis=0)
    if _drawn(count) == count:  # no subsample, nothing is sure
        low, high = np.ones(len(sources)), np.full(len(sources), float(len(sources)))
    best, rows = int(np.argmin(ranks)), []
    for s in np.argsort(ranks):
        had = [(k, name) for k, name in enumerate(names) if np.isfinite(whole[s, k])]
        told = {name: _interval(name, labels, whole[s, k], errors[s, k]) for k, name in had}
        tied = bool(low[s] <= high[best])
        ends = min(float(low[s]), float(ranks[s])), max(float(high[s]), float(ranks[s]))
        where = {"rank": int(ranks[s]), "low": ends[0], "high": ends[1], "tied": tied}
        rows.append({"source": sources[s], **where, "vote": round(float(votes[s]), 4), "scores": told})
    return rows


def _ordered(evidence: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """The evidence with its examples in an order that their features decide, the same for all sources."""
    labels = np.asarray(next(iter(evidence.values())).labels)
    keys = [along(np.asarray(one.features), 0) for _, one in sorted(evidence.items())]
    order = np.lexsort((*labels.reshape(len(labels), -1).T, *keys))
    return {uri: _taken(one, order) for uri, one in evidence.items()}


def _taken(evidence: Evidence, rows: np.ndarray) -> Evidence:
    """The evidence of some of the labelled examples."""
    names = ("features", "labels", "source_probabilities", "recognised")
    given = {name: getattr(evidence, name) for name in names}
    return replace(evidence, **{name: np.asarray(of)[rows] for name, of in given.items() if of is not None})


def _drawn(count: int) -> int:
    """How many of so many labelled examples a subsample has."""
    return max(2, int(KEPT * count))


def _scores(evidence: Evidence, names: Sequence[str]) -> np.ndarray:
    """Scores (K,); not a number where a score lacks what it needs or there are too few labels for it."""
    found = np.full(len(names), np.nan)
    for k, name in enumerate(names):
        try:
            found[k] = catalog.find("scores", name)()(evidence)
        except UserError:
            continue
    return found


def _combined(scores: np.ndarray, error: np.ndarray, voting: np.ndarray, head: np.ndarray) -> np.ndarray:
    """What each source is voted (S,): the mean of the scores that are ``voting`` of features, and of the ``head``."""
    votes = ((scores - scores.mean(axis=0)) / error).clip(-LOUDEST, LOUDEST)
    parts = [votes[:, some].mean(1) for some in (voting & ~head, voting & head) if some.any()]
    return np.sum(parts, axis=0) if parts else np.zeros(len(scores))


def _interval(name: str, labels: np.ndarray, value: float, error: float) -> dict[str, float]:
    reach = 1.645 * error if np.isfinite(error) else 0.0
    least, most = catalog.find("scores", name)().bounds(labels)
    found = Interval(float(value), float(value - reach), float(value + reach), 0.9).within(least, most, len(labels))
    return {"value": found.mean, "low": found.low, "high": found.high}
