"""Which source will transfer best: several scores on remembered features, combined, and how sure the ranks are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.core.seeding import derive
from regraft.scores._base import Evidence

LEADING = ("knn", "linear_probe", "logme", "h_score")
"""Scores that vote on the combined rank; they need features and labels only, so every source has them."""
_RESAMPLES = 20


def rank(evidence: Mapping[str, Evidence], seed: int = 0) -> list[dict[str, Any]]:
    """Sources from the most to the least promising.

    The combined rank is the mean of the ranks by each score. Its interval (5% to 95%) comes from subsamples of four
    fifths of the labelled examples, drawn without replacement, alike for all sources: with replacement, copies of an
    example would be each other's neighbours.

    Returns:
        For each source: ``source``; ``rank`` (1 is best); ``low``, ``high``; ``tied`` (its interval meets the best's);
        ``scores``, each with ``value``, ``low`` and ``high``.
    """
    sources = list(evidence)
    whole = np.array([[_score(name, evidence[s]) for name in LEADING] for s in sources])
    draws = np.stack([_subsample(evidence, derive(seed, "ranking", i)) for i in range(_RESAMPLES)])
    combined, resampled = _combined(whole), np.stack([_combined(draw) for draw in draws])
    low, high = np.nanquantile(resampled, (0.05, 0.95), axis=0)
    order = np.argsort(combined, kind="stable")
    rows = []
    for place, s in enumerate(order, 1):
        scores = {n: _interval(whole[s, k], draws[:, s, k]) for k, n in enumerate(LEADING) if np.isfinite(whole[s, k])}
        tied = bool(low[s] <= high[order[0]])
        rows.append(
            {
                "source": sources[s],
                "rank": place,
                "low": float(low[s]),
                "high": float(high[s]),
                "tied": tied,
                "scores": scores,
            }
        )
    return rows


def _subsample(evidence: Mapping[str, Evidence], seed: int) -> np.ndarray:
    labels = next(iter(evidence.values())).labels
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.permutation(len(labels))[: max(2, int(0.8 * len(labels)))])
    parts = [Evidence(np.asarray(e.features)[rows], e.labels[rows]) for e in evidence.values()]
    return np.array([[_score(name, part) for name in LEADING] for part in parts])


def _score(name: str, evidence: Evidence) -> float:
    try:
        return float(catalog.find("scores", name)()(evidence))
    except UserError:  # too few labels for this score
        return float("nan")


def _combined(scores: np.ndarray) -> np.ndarray:
    """Mean rank (S,) from scores (S, K), higher scores first; a score that is missing does not vote."""
    votes = [rankdata(-column) for column in scores.T if np.isfinite(column).all()]
    return np.mean(votes, axis=0) if votes else np.ones(len(scores))


def _interval(value: float, draws: Sequence[float] | np.ndarray) -> dict[str, float]:
    found = np.asarray(draws)[np.isfinite(draws)]
    low, high = np.quantile(found, (0.05, 0.95)) if len(found) else (value, value)
    return {"value": float(value), "low": float(low), "high": float(high)}
