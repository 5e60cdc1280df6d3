"""How much the marginal and the conditional distributions of two domains differ, one against the other."""

import numpy as np

from regraft.core import catalog
from regraft.heads._kernels import landmarks

_ENOUGH = 1000


def balance(source: np.ndarray, labels: np.ndarray, target: np.ndarray, guess: np.ndarray) -> float:
    """The share of the conditional part, in [0, 1], from distances of all examples and of each class by itself.

    ``labels`` (N,) and ``guess`` (M,): classes. Half when nothing tells the domains apart.
    Reference: Wang et al., Visual domain adaptation with manifold embedded distribution alignment, ACM MM 2018, eq. 16.
    """
    shared = [c for c in np.unique(labels) if c >= 0 and (guess == c).any()]
    marginal = _apart(source, target)
    conditional = [_apart(source[labels == c], target[guess == c]) for c in shared]
    among = float(np.mean(conditional)) if conditional else 0.0
    return among / (marginal + among) if marginal + among > 0 else 0.5


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """The proxy A-distance of rows (N, D) and (M, D); beyond a thousand examples a side, of that many."""
    return float(catalog.find("divergences", "proxy_a")()(landmarks(a, _ENOUGH), landmarks(b, _ENOUGH)))
