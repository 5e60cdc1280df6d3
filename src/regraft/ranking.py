"""Which source will transfer best: several scores on remembered features, combined, and how sure the ranks are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from regraft.bench import Bench
from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.core.records import Interval
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.features import Memory, features
from regraft.scores._base import Evidence
from regraft.sources import Source

VOTING = ("knn", "linear_probe", "logme", "h_score", "leep", "nce")
"""Scores that vote on the combined rank. The last two need what the source itself predicts: they vote if all do."""
LOUDEST = 3.0
"""Most that one score can say for or against a source, in its own standard errors."""
KEPT = 0.8
"""Share of the labelled examples in a subsample."""
_RESAMPLES = 20


def known_of(source: Source, train: Dataset, bench: Bench) -> Evidence:
    """What is known of a source on the labelled target, as it decodes it, before any training."""
    x = features(source.model.backbone, train, source.backbone.preprocess, Memory(source.inference, bench.cache))
    parameters = sum(p.numel() for p in source.model.backbone.parameters())
    return Evidence(x, train.labels, source.predictions(x), parameters)


def rank(evidence: Mapping[str, Evidence], seed: int = 0) -> list[dict[str, Any]]:
    """Sources from the most to the least promising.

    Intervals of scores (90%) stay where the score can be; at its end they are those of `Interval.within`.

    Each score votes with its distance from the median source, in standard errors, at most three: a score that cannot
    tell the sources apart says little. The standard errors and the intervals of the ranks (5% to 95%) come from
    subsamples of four fifths of the labelled examples, alike for all sources; they are drawn without replacement,
    because copies of an example would be each other's neighbours. Errors are those of the delete-d
    jackknife (Shao and Wu, A general theory for jackknife variance estimation, Annals of Statistics 1989).

    Returns:
        For each source: ``source``; ``rank`` (1 is best); ``low``, ``high``; ``tied`` (its interval meets the best's);
        ``scores``, each with ``value``, ``low`` and ``high``.
    """
    sources = list(evidence)
    whole = _scores(list(evidence.values()))
    seeds = [derive(seed, "ranking", i) for i in range(_RESAMPLES)]
    draws = np.stack([_scores(_subsample(list(evidence.values()), s)) for s in seeds])
    voting = np.isfinite(whole).all(0) & np.isfinite(draws).all((0, 1))
    wider = (KEPT / (1 - KEPT)) ** 0.5  # delete-d jackknife: subsamples share most examples, so they differ too little
    errors = draws.std(0) * wider
    error = np.maximum(errors.mean(0), 1e-9)
    ranks = rankdata(-_combined(whole, error, voting), method="ordinal").astype(int)
    spread = whole + wider * (draws - draws.mean(0))
    resampled = np.stack([rankdata(-_combined(draw, error, voting)) for draw in spread])
    low, high = np.quantile(resampled, (0.05, 0.95), axis=0)
    if _drawn(len(evidence[sources[0]].labels)) == len(evidence[sources[0]].labels):  # no subsample, nothing is sure
        low, high = np.ones(len(sources)), np.full(len(sources), float(len(sources)))
    best = int(np.argmin(ranks))
    rows = []
    for s in np.argsort(ranks):
        labels = evidence[sources[s]].labels
        found = {
            n: _interval(n, labels, whole[s, k], errors[s, k]) for k, n in enumerate(VOTING) if np.isfinite(whole[s, k])
        }
        tied = bool(low[s] <= high[best])
        ends = min(float(low[s]), float(ranks[s])), max(float(high[s]), float(ranks[s]))
        where = {"rank": int(ranks[s]), "low": ends[0], "high": ends[1], "tied": tied}
        rows.append({"source": sources[s], **where, "scores": found})
    return rows


def _subsample(evidence: Sequence[Evidence], seed: int) -> list[Evidence]:
    count = len(evidence[0].labels)
    rows = np.sort(np.random.default_rng(seed).permutation(count)[: _drawn(count)])
    said = [None if e.source_probabilities is None else e.source_probabilities[rows] for e in evidence]
    return [Evidence(np.asarray(e.features)[rows], e.labels[rows], p) for e, p in zip(evidence, said, strict=True)]


def _drawn(count: int) -> int:
    """How many of so many labelled examples a subsample has."""
    return max(2, int(KEPT * count))


def _scores(evidence: Sequence[Evidence]) -> np.ndarray:
    """Scores (S, K); not a number where a score lacks what it needs or there are too few labels for it."""
    table = np.full((len(evidence), len(VOTING)), np.nan)
    for k, name in enumerate(VOTING):
        score = catalog.find("scores", name)()
        for s, one in enumerate(evidence):
            try:
                table[s, k] = score(one)
            except UserError:
                continue
    return table


def _combined(scores: np.ndarray, error: np.ndarray, voting: np.ndarray) -> np.ndarray:
    """Mean vote (S,) for each source."""
    if not voting.any():
        return np.zeros(len(scores))
    votes = (scores - np.median(scores, axis=0)) / error
    return np.asarray(votes[:, voting].clip(-LOUDEST, LOUDEST).mean(1))


def _interval(name: str, labels: np.ndarray, value: float, error: float) -> dict[str, float]:
    reach = 1.645 * error if np.isfinite(error) else 0.0
    least, most = catalog.find("scores", name)().bounds(labels)
    found = Interval(float(value), float(value - reach), float(value + reach), 0.9).within(least, most, len(labels))
    return {"value": found.mean, "low": found.low, "high": found.high}
