"""Boosting over two domains: source examples that mislead lose weight, target examples that are hard gain it."""

from dataclasses import dataclass, field

import numpy as np
from torch import nn

from regraft.core.errors import CandidateError
from regraft.heads._base import ClassicalHead
from regraft.heads._layers import Vote, through

_FOLDS = 3
"""Parts of the target by which the stages are compared."""


@dataclass(frozen=True)
class Pool:
    """Examples of both domains, the ``ours`` first ones the source's: features (N, D) and labels (N,).

    ``head``: the base learner, which must give one linear layer; ``outputs``: how many it has; ``target``: how much the
    target counts at the start, in units of the source (the papers leave that open). ``rounds`` gains the source's
    weights at each fit.
    """

    features: np.ndarray
    labels: np.ndarray
    ours: int
    head: ClassicalHead
    outputs: int
    target: float = 1.0
    rounds: list[np.ndarray] = field(default_factory=list)

    def fit(self, weights: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """A learner, as its weight (D, K) and bias (K,), and its outputs (N, K) on all examples.

        Raises:
            CandidateError: the head is no linear layer.
        """
        self.rounds.append(weights[: self.ours].copy())
        if self.labels.dtype.kind != "f":  # as source examples lose weight, no class is to be left behind
            weights = weights / np.bincount(self.labels, weights)[self.labels].clip(1e-300)
        layer = self.head.fit(self.features, self.labels, self.outputs, weights * (len(weights) / weights.sum()))
        if not isinstance(layer, nn.Linear):
            raise CandidateError(f"{type(self.head).__name__} cannot be boosted: it is not linear")
        weight, bias = layer.weight.detach().double().numpy().T, layer.bias.detach().double().numpy()
        return (weight, bias), self.features @ weight + bias

    def start(self) -> np.ndarray:
        """The weights (N,) of the first round."""
        theirs = len(self.labels) - self.ours
        return np.repeat([1 / max(self.ours, 1), self.target / max(theirs, 1)], [self.ours, theirs])

    def without(self, left: np.ndarray) -> "Pool":
        """The same less the examples ``left`` (N,)."""
        return Pool(self.features[~left], self.labels[~left], self.ours, self.head, self.outputs, self.target)


def tradaboost(pool: Pool, rounds: int) -> Vote:
    """TrAdaBoost: the learners of the second half of the rounds vote, each with the log odds of its target error.

    Of more than two classes, the log of how many there are besides the right one is added, as chance is higher; of two
    that is the paper's rule. A round that is no better than chance on the target ends it. Where no target example is
    wrong, the error counts as half an example's.
    Reference: Dai et al., Boosting for transfer learning, ICML 2007, figure 1; of several classes: Zhu et al.,
    Multi-class AdaBoost, Statistics and Its Interface 2009, algorithm 2.

    Raises:
        CandidateError: the first learner is no better than chance on the target.
    """
    ours, weights = pool.ours, pool.start()
    slow, others = _slowly(ours, rounds), max(len(np.unique(pool.labels)) - 1, 1)
    layers, votes = [], []
    for _ in range(rounds):
        layer, found = pool.fit(weights)
        wrong = found.argmax(1) != pool.labels
        error = max(float(np.average(wrong[ours:], weights=weights[ours:])), 0.5 / (1 + len(wrong) - ours))
        if error >= others / (1 + others):
            break
        layers.append(layer)
        votes.append(np.log((1 - error) / error * others))
        weights[:ours] *= slow ** wrong[:ours]
        weights[ours:] *= np.exp(votes[-1] * wrong[ours:])
        weights /= weights.sum()
    return _voting(layers, votes, "plurality", half=True)


def tradaboost_r2(pool: Pool, rounds: int) -> Vote:
    """TrAdaBoost.R2: the same for numbers, by errors as shares of the largest and the learners' weighted median.

    Reference: Pardoe and Stone, Boosting for regression transfer, ICML 2010, algorithm 2.

    Raises:
        CandidateError: the first learner is off by half the largest error on the target, on average.
    """
    return _boosted(pool, pool.start(), rounds, frozen=False)


def two_stage(pool: Pool, rounds: int, stages: int) -> Vote:
    """Two-stage TrAdaBoost.R2: the source loses weight in stages; after each, the target alone is boosted.

    Of the stages, at the first of which all examples count alike and at the last the target's alone, the one is taken
    that predicts target examples best that were left out.
    Reference: Pardoe and Stone, Boosting for regression transfer, ICML 2010, algorithm 3.

    Raises:
        CandidateError: no stage can be boosted.
    """
    ours, weights = pool.ours, np.ones(len(pool.labels))
    least = (len(weights) - ours) / len(weights)
    best: tuple[float, np.ndarray] = (np.inf, weights)
    for stage in range(stages):
        error = _left_out(pool, weights, rounds)
        if error < best[0]:
            best = (error, weights)
        wanted = least + (stage + 1) / max(stages - 1, 1) * (1 - least)
        misses = _misses(pool, pool.fit(weights)[1])
        weights = np.concatenate([_shrunk(weights, misses[:ours], wanted), weights[ours:]])
    return _boosted(pool, best[1], rounds, frozen=True)


def _boosted(pool: Pool, weights: np.ndarray, rounds: int, frozen: bool) -> Vote:
    """AdaBoost.R2 with the source's weights shrinking by its errors, or ``frozen``.

    Errors are averaged over the target, or over all where the source is frozen, which is the paper's AdaBoost.R2'.
    """
    ours, weights = pool.ours, weights / weights.sum()
    slow, layers, votes = _slowly(ours, rounds), [], []
    for _ in range(rounds):
        layer, found = pool.fit(weights)
        misses, counted = _misses(pool, found), slice(None) if frozen else slice(ours, None)
        error = max(float(np.average(misses[counted], weights=weights[counted])), 1e-6)
        if error >= 0.5:
            break
        layers.append(layer)
        votes.append(np.log((1 - error) / error))
        weights = weights.copy()
        if frozen:
            whole = weights[ours:].sum()
            weights[ours:] *= np.exp(votes[-1] * (misses[ours:] - 1))
            weights[ours:] *= whole / weights[ours:].sum()
        else:
            weights[:ours] *= slow ** misses[:ours]
            weights[ours:] *= np.exp(votes[-1] * misses[ours:])
            weights /= weights.sum()
    return _voting(layers, votes, "median", half=not frozen)


def _misses(pool: Pool, found: np.ndarray) -> np.ndarray:
    """Errors (N,) as shares of the largest."""
    errors = np.abs(found[:, 0] - pool.labels)
    return np.asarray(errors / max(float(errors.max()), 1e-300))


def _left_out(pool: Pool, weights: np.ndarray, rounds: int) -> float:
    """Mean squared error on target examples that were left out, in parts that are alike in their numbers."""
    part = np.full(len(weights), -1)
    part[pool.ours + np.argsort(pool.labels[pool.ours :])] = np.arange(len(weights) - pool.ours) % _FOLDS
    errors: list[float] = []
    for fold in range(min(_FOLDS, len(weights) - pool.ours)):
        left = part == fold
        try:
            vote = _boosted(pool.without(left), weights[~left], rounds, frozen=True)
        except CandidateError:
            return np.inf
        errors += np.square(through(vote, pool.features[left])[:, 0] - pool.labels[left]).tolist()
    return float(np.mean(errors))


def _shrunk(weights: np.ndarray, misses: np.ndarray, wanted: float) -> np.ndarray:
    """Weights of the source, less where they miss, so that the target's make up the share ``wanted`` of all."""
    ours = weights[: len(misses)]
    total = weights[len(misses) :].sum() * (1 - wanted) / wanted
    low, high = -700.0, 0.0  # the log of the paper's beta
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (ours * np.exp(middle * misses)).sum() < total else (low, middle)
    shrunk = ours * np.exp(high * misses)
    return np.asarray(shrunk * (total / shrunk.sum()) if shrunk.sum() > 0 else shrunk)


def _slowly(ours: int, rounds: int) -> float:
    """By how much a source example shrinks for a mistake (the paper's beta)."""
    return float(1 / (1 + np.sqrt(2 * np.log(max(ours, 1)) / rounds)))


def _voting(layers: list[tuple[np.ndarray, np.ndarray]], votes: list[float], kind: str, half: bool) -> Vote:
    if not layers:
        raise CandidateError("a learner on source and target examples is no better than chance on the target")
    first = (len(layers) + 1) // 2 - 1 if half else 0
    weight, bias = (np.stack([layer[i] for layer in layers[first:]]) for i in (0, 1))
    return Vote({"weight": weight, "bias": bias, "votes": np.array(votes[first:])}, kind=kind)
