"""How many labels is the transfer worth: the number that scratch needs to do as well, read off its curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from regraft.core.errors import UserError
from regraft.core.gauge import Gauge
from regraft.guard._tables import Groups, clusters, resamples, values_of


@dataclass(frozen=True)
class Worth:
    """The transfer with ``labels`` labels does what scratch does with ``equals``, between ``low`` and ``high``.

    None: more than the curve reaches. The smallest number of the curve stands for itself and for fewer.
    """

    labels: int
    equals: float | None
    low: float | None
    high: float | None


def worth(
    labels: Sequence[int],
    chosen: Sequence[np.ndarray],
    scratch: Sequence[np.ndarray],
    groups: Groups = None,
    level: float = 0.95,
) -> list[Worth]:
    """For each number of labels the number with which scratch reaches the transfer's mean utility.

    Scratch's curve is made to rise (isotonic regression: more labels do no harm on average) and is straight between its
    points on the axis of log labels. The interval holds the middle ``level`` of 500 resamples of examples (of clusters,
    if any; the same for all points) and, where a point has several seeds, of seeds of each model. A point of one seed
    has no luck in training in its interval.

    Args:
        labels: (P,) increasing, at least two.
        chosen: for each the transfer's utility, (S, N) or (N,), with its own number of seeds.
        scratch: the same of scratch.
        groups: cluster of each example (N,), or None.
        level: confidence, in (0, 1).

    Reference: isotonic fit: Barlow, Bartholomew, Bremner and Brunk, Statistical inference under order restrictions,
    1972; percentile intervals: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.

    Raises:
        UserError: fewer than two points, numbers that do not rise, or utilities that do not fit.
    """
    if len(labels) < 2 or (np.diff(labels) <= 0).any() or min(labels) < 1 or not 0 < level < 1:
        raise UserError("the worth in labels needs two or more rising numbers of labels, and a level between 0 and 1")
    if not len(labels) == len(chosen) == len(scratch):
        raise UserError(f"{len(labels)} numbers of labels, but {len(chosen)} and {len(scratch)} utilities")
    ours, theirs = ([values_of(one) for one in many] for many in (chosen, scratch))
    codes, _ = clusters(groups, ours[0].shape[1])
    if any(one.shape[1] != len(codes) for one in (*ours, *theirs)):
        raise UserError("every point of the curve must be of the same examples")
    weights = np.vstack([np.ones(len(codes)), resamples(int(codes.max()) + 1, 500, 0)[:, codes]])
    high, low = (np.stack([_means(one, weights, who) for one in many], 1) for who, many in enumerate((ours, theirs)))
    along = np.log(labels)
    found = np.stack([_read(up, isotonic_regression(down).x, along) for up, down in zip(high, low, strict=True)])
    ends = np.quantile(found[1:], [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
    return [Worth(n, *map(_plain, one)) for n, one in zip(labels, np.vstack([found[:1], ends]).T, strict=True)]


def _means(values: np.ndarray, weights: np.ndarray, who: int) -> np.ndarray:
    """Mean utility for each row of example weights (R, N); the first row has each seed once, the others redraw them."""
    seeds = np.vstack([np.ones(len(values)), resamples(len(values), len(weights) - 1, 1 + who)])
    return np.asarray(((weights @ values.T) * seeds).sum(1) / (weights.sum(1) * len(values)))


def _read(wanted: np.ndarray, curve: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Where the curve first reaches each of ``wanted`` (P,), as numbers of labels; infinite where it does not."""
    after = np.searchsorted(curve, wanted)  # a flat part is reached at its beginning
    right, left = after.clip(1, len(curve) - 1), after.clip(1, len(curve) - 1) - 1
    rise = np.where(after > 0, curve[right] - curve[left], 1.0)
    share = np.divide(wanted - curve[left], rise, out=np.ones_like(wanted), where=rise > 0).clip(0, 1)
    found = np.exp(along[left] + share * (along[right] - along[left]))
    return np.where(wanted > curve[-1], np.inf, np.where(after == 0, np.exp(along[0]), found))


def _plain(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def describe_worth(found: Sequence[Worth], gauge: Gauge, level: float = 0.95) -> str:
    """A sentence or two: of the most labels for which the curve has an answer, and of the most where it has none."""
    most = found[-1].labels
    inside = [one for one in found if one.equals is not None]
    if not inside:
        per = gauge.per.replace("labels", "label", 1) if found[0].labels == 1 else gauge.per
        return f"With {found[0].labels} {per} the transfer does more than a model from scratch with {most}."
    one = inside[-1]
    ends = f"{_number(one.low, most)} to {_number(one.high, most)}"
    lead = "" if one is found[-1] else f"With {most} {gauge.per} the transfer does more than a model from scratch. "
    return lead + (
        f"With {one.labels}{'' if lead else f' {gauge.per}'} the transfer does what a model from scratch does with "
        f"{_number(one.equals, most)} ({100 * level:g}% interval {ends})."
    )


def _number(value: float | None, most: int) -> str:
    return f"more than {most}" if value is None else f"{value:.0f}"
