"""Sets and ranges that hold the truth as often as asked, from the errors on examples that were not learned from.

A score says how strange a truth is to the model: one minus its probability (Sadinle, Lei and Wasserman, Least ambiguous
set-valued classifiers with bounded error levels, JASA 2019), of label sets the largest of that over the true labels, of
numbers the absolute error. A new example's set is all that is no stranger than the k-th of n sorted scores, k =
ceil((n + 1) level) (Vovk, Gammerman and Shafer, Algorithmic learning in a random world, 2005).

If scores and the new example come from one model and one distribution, in any order alike (exchangeable), the set
holds the truth with probability ``level`` or more, on average over examples; not for each class or kind of example.
Scores of cross-validation come from models that learned from fewer labels than the one that is kept: Barber, Candes,
Ramdas and Tibshirani (Predictive inference with the jackknife+, Annals of Statistics 2021) prove 2 level - 1 when all
those models are kept to predict with (CV+). With the one kept model it is right as far as that errs like them; they
mostly err more, which makes sets too large.
"""

import math
from collections.abc import Sequence

import numpy as np

from regraft.core.errors import UserError


def set_scores(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How strange the truth is (N,), from probabilities (N, K) and classes (N,), or label sets (N, K) of 0 and 1."""
    strange = 1 - np.asarray(probabilities, dtype=float)
    if np.ndim(truth) == 1:
        return np.asarray(strange[np.arange(len(truth)), truth])
    return np.where(truth > 0, strange, 0.0).max(1)


def threshold(scores: Sequence[float] | np.ndarray, level: float) -> float:
    """The score up to which things are in the set; infinite where there are too few for the level.

    Raises:
        UserError: the level is not in (0, 1), or a score is not a number.
    """
    found = np.sort(np.asarray(scores, dtype=float))
    if not 0 < level < 1:
        raise UserError(f"level must be between 0 and 1, got {level}")
    if np.isnan(found).any():
        raise UserError("a score of the examples to calibrate with is not a number")
    place = math.ceil((len(found) + 1) * level - 1e-9)  # 0.95 x 20 is 19, whatever the last bit says
    return float(found[place - 1]) if place <= len(found) else math.inf


def least(level: float) -> int:
    """The fewest examples to calibrate with at which a set of this ``level`` is less than everything."""
    return math.ceil(level / (1 - level) - 1e-9)


def sets(probabilities: np.ndarray, limit: float, exclusive: bool = True) -> np.ndarray:
    """What is in the set of each example, (N, K) of booleans; ``limit`` from `threshold`.

    Of classes the likeliest is always in it (no set is empty), of label sets those above one half: only more coverage.
    """
    given = np.asarray(probabilities, dtype=float)
    sure = given >= given.max(-1, keepdims=True) if exclusive else given > 0.5
    return np.asarray((1 - given <= limit) | sure)


def holds(within: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether each set (N, K) has the class, or all labels, of the truth: (N,) of booleans."""
    if np.ndim(truth) == 1:
        return np.asarray(within[np.arange(len(truth)), truth])
    return np.asarray((within | (truth == 0)).all(1))
