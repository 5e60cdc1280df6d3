"""One number that makes probabilities as sure as they should be, found on examples that the model did not learn from.

Reference: Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017, section 4.2.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax

from regraft.core.errors import UserError
from regraft.guard._tables import Groups, clusters

RANGE = (0.05, 20.0)
"""Between these a temperature is looked for."""
_LEAST, _SURE = 1e-38, 1 - 1e-16
"""What a probability is taken for that came out as 0, in single precision, or as 1."""


@dataclass(frozen=True)
class Temperature:
    """``value``: what outputs are divided by.

    ``gain``: by how much it lowers the log loss of an example that had no part in finding it, with standard ``error``.
    """

    value: float
    gain: float
    error: float

    @property
    def helps(self) -> bool:
        """Whether it is worth applying: the gain is above its standard error."""
        return self.gain > self.error


def scaled(probabilities: np.ndarray, temperature: float, exclusive: bool = True) -> np.ndarray:
    """Probabilities (..., K) as they are when the outputs behind them are divided by ``temperature``.

    ``exclusive``: one class an example; else each column is the probability of a label of its own.
    """
    clear = np.asarray(probabilities, dtype=float).clip(_LEAST, 1.0)
    if exclusive:
        return np.exp(log_softmax(np.log(clear) / temperature, axis=-1))
    return expit((np.log(clear) - np.log1p(-clear.clip(max=_SURE))) / temperature)


def fit_temperature(
    probabilities: np.ndarray, truth: np.ndarray, parts: np.ndarray, groups: Groups = None
) -> Temperature:
    """The temperature with the lowest log loss, and whether it is worth applying, judged by cross-fitting.

    The loss of each part is measured at the temperature that the other parts give, and compared with that of the
    probabilities as they are, example by example (clusters together).

    Args:
        probabilities: (N, K), of examples that the model of theirs did not learn from.
        truth: classes (N,), or label sets (N, K) of 0 and 1.
        parts: (N,) which part of the cross-validation an example belongs to.
        groups: cluster of each example, or None.

    Raises:
        UserError: there is no example, or a probability is not in [0, 1].
    """
    if not len(probabilities) or not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise UserError("temperature scaling needs probabilities between 0 and 1 of one example or more")
    gained, single = np.zeros(len(truth)), len(np.unique(parts)) < 2
    for part in np.unique(parts):
        here = parts == part
        found = 1.0 if single else _best(probabilities[~here], truth[~here])
        gained[here] = _losses(probabilities[here], truth[here], 1.0) - _losses(probabilities[here], truth[here], found)
    codes = clusters(groups, len(truth))[0]
    mean = float(gained.mean())
    sums = np.bincount(codes, gained - mean)
    error = float(np.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)) / len(gained))
    return Temperature(_best(probabilities, truth), mean, error)


def _best(probabilities: np.ndarray, truth: np.ndarray) -> float:
    def loss(log: float) -> float:
        return float(_losses(probabilities, truth, float(np.exp(log))).mean())

    found = minimize_scalar(loss, bounds=(np.log(RANGE[0]), np.log(RANGE[1])), method="bounded")
    return float(np.exp(found.x))


def _losses(probabilities: np.ndarray, truth: np.ndarray, temperature: float) -> np.ndarray:
    """Minus the log-likelihood of each example, (N,)."""
    held, exclusive = np.asarray(truth), np.ndim(truth) == 1
    now = scaled(probabilities, temperature, exclusive).clip(_LEAST, _SURE)
    if exclusive:
        return -np.log(now[np.arange(len(held)), held])
    return -(held * np.log(now) + (1 - held) * np.log1p(-now)).mean(1)
