"""Transfer components: directions along which the domains agree and the examples still vary.

TCA and its kin differ in what must agree, and share the rest: rows Psi (N, P) of all examples, in which a component is
linear, and the generalised symmetric eigenproblem Psi' H Psi v = lambda (Psi' M Psi + R) v, with H centring, M the sum
of e e' over differences of means, and R diagonal.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.sparse.linalg import eigsh
from torch import nn

from regraft.alignments._base import Aligned, Alignment
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.heads._kernels import bandwidth, gaussian, places
from regraft.heads._layers import Affine, Kernel, Scale, through

_DENSE = 400
"""Up to this many dimensions, all eigenvectors at once are faster than the few that are wanted."""


@dataclass(frozen=True)
class Space:
    """Rows Psi (N, P) of all examples, the cost (P,) of a component's coefficients, and the way of new examples there.

    ``origin`` (P,): where components are zero. Either ``back`` (D, P) takes features there, or the kernel with the
    ``marks`` (P, D). ``ours`` (P,): which coefficients belong to examples of the source.
    """

    rows: np.ndarray
    cost: np.ndarray
    ours: np.ndarray
    origin: np.ndarray
    back: np.ndarray | None = None
    marks: np.ndarray | None = None
    gamma: float | None = None

    def layer(self, weight: np.ndarray) -> nn.Module:
        """Features (B, D) to the components of which ``weight`` (P, E) has the coefficients."""
        bias = -self.origin @ weight
        if self.back is not None:
            return Affine({"weight": self.back @ weight, "bias": bias})
        values = {"landmarks": self.marks, "weight": weight, "bias": bias}
        kind = {"kind": "linear"} if self.gamma is None else {"kind": "gaussian", "gamma": self.gamma}
        return Kernel({k: v for k, v in values.items() if v is not None}, **kind)


@settings
class Components(Alignment):
    """Options of alignments by transfer components.

    Without a kernel, and with the linear one, the solution is exact for any number of examples, in at most as many
    dimensions as the features have. The Gaussian kernel is exact up to ``landmarks`` examples; beyond them, components
    are combinations of the kernel with that many examples, half of each domain, instead of all.
    """

    kernel: Literal["primal", "linear", "gaussian"] = "primal"
    """What a component is: ``primal``: a direction of unit cost in the features; ``linear`` and ``gaussian``: a
    combination of the kernel with all examples, at the cost of its coefficients."""
    gamma: Annotated[float, Field(gt=0)] | None = None
    """Of the Gaussian kernel exp(-gamma |x - z|^2); None: one over the median squared distance."""
    components: Annotated[int, Field(ge=1)] = 30
    """How many; fewer when the features have fewer dimensions."""
    penalty: Annotated[float, Field(gt=0)] = 1.0
    """Weight of a component's cost against the disagreement of the domains."""
    centre: bool = True
    """Centre each domain by itself first, and components; the papers standardise both, the authors of JDA neither."""
    unit: bool = True
    """Divide each example by its length, before and after, as the authors of JDA do."""
    relative: bool = True
    """Divide the matrix of disagreements by its Frobenius norm, as the authors of JDA do."""
    landmarks: Annotated[int, Field(ge=2)] = 2000
    """Examples that a kernel is computed with."""

    def prepared(self, source: np.ndarray, target: np.ndarray) -> tuple[list[nn.Module], np.ndarray]:
        """The layers of the source and of the target that come first, and all examples (N, D) behind them."""
        zero = np.zeros(source.shape[1])
        layers: list[nn.Module] = []
        for x in (source, target):
            mean = Scale({"mean": x.mean(0) if self.centre else zero, "deviation": zero + 1}, rows="")
            layers.append(nn.Sequential(mean, unit(len(zero))) if self.unit else mean)
        return layers, np.concatenate([through(layer, x) for layer, x in zip(layers, (source, target), strict=True)])

    def finished(self, before: list[nn.Module], space: Space, weight: np.ndarray) -> Aligned:
        """The alignment of layers ``before`` the ``space`` and the components of coefficients ``weight`` (P, E)."""
        last = [unit(weight.shape[1])] if self.unit else []
        return Aligned(*(nn.Sequential(layer, space.layer(weight), *last) for layer in before))

    def space(self, x: np.ndarray, split: int, dual: bool = False) -> Space:
        """Where components of all examples (N, D) are linear; the first ``split`` are of the source.

        ``dual``: coefficients belong to examples, whatever the kernel.
        """
        if self.kernel != "gaussian" and not dual:
            left, singular, right = np.linalg.svd(x, full_matrices=False)
            kept = singular > singular.max(initial=0.0) * max(x.shape) * np.finfo(float).eps
            if not kept.any():
                raise CandidateError("nothing varies in the features, so they have no components; leave it out")
            left, singular, right = left[:, kept], singular[kept], right[kept]
            power = 1 if self.kernel == "primal" else 2  # the cost of K w is |w|^2 where K = X X'
            rows = left * singular**power
            count = rows.shape[1]
            back = right.T * singular ** (power - 1)
            return Space(rows, np.ones(count), np.zeros(count, bool), self._origin(rows), back=back)
        where = np.arange(len(x))
        if len(x) > self.landmarks:
            half = self.landmarks // 2
            where = np.concatenate([places(x[:split], half), split + places(x[split:], half)])
        gamma = (self.gamma or bandwidth(x)) if self.kernel == "gaussian" else None
        marks = x[where]
        rows = x @ marks.T if gamma is None else gaussian(x, marks, gamma)
        # The same function costs n / L times as much when L of n examples share its coefficients.
        cost = np.full(len(where), len(where) / len(x))
        return Space(rows, cost, where < split, self._origin(rows), marks=marks, gamma=gamma)

    def _origin(self, rows: np.ndarray) -> np.ndarray:
        return rows.mean(0) if self.centre else np.zeros(rows.shape[1])

    def least(self, scatter: np.ndarray, differences: np.ndarray, norm: float, cost: np.ndarray) -> np.ndarray:
        """Coefficients (P, E): most ``scatter`` (P, P) for least squared ``differences`` (C, P) and ``cost`` (P,).

        ``norm``: the Frobenius norm of the matrix of disagreements.
        """
        between = differences.T @ differences / (norm if self.relative and norm > 0 else 1.0)
        return leading(scatter, between + np.diag(self.penalty * cost), self.components)[1]


def leading(a: np.ndarray, b: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` largest values and vectors (P, E) of a v = lambda b v; symmetric, ``b`` positive definite.

    Fewer where fewer are above zero. Vectors have v' b v = 1. Few of many are found by Lanczos' iteration.
    """
    count = min(count, len(a))
    try:
        if len(a) <= _DENSE or count > len(a) // 4:
            values, vectors = eigh(a, b, subset_by_index=(len(a) - count, len(a) - 1))
        else:
            factor = cholesky(b, lower=True)
            half = solve_triangular(factor, a, lower=True, check_finite=False)
            whitened = solve_triangular(factor, half.T, lower=True, check_finite=False)
            values, inner = eigsh((whitened + whitened.T) / 2, count, v0=np.ones(len(a)))
            vectors = solve_triangular(factor, inner, lower=True, trans="T")
    except np.linalg.LinAlgError as error:
        raise CandidateError(f"there are no transfer components of these examples: {error}") from error
    order = np.argsort(-values)
    order = order[values[order] > values.max() * len(a) * np.finfo(float).eps]  # along others nothing varies
    if not len(order):
        raise CandidateError("nothing varies in the features, so they have no components; leave it out")
    return values[order], vectors[:, order]


def contrasts(labels: np.ndarray, guess: np.ndarray, marginal: float = 1.0, conditional: float = 1.0) -> np.ndarray:
    """Rows e (1 + C, N): differences of the domains' means, of all examples and then class by class.

    ``labels`` (n) and ``guess`` (m): classes, below zero where there is none; a class counts where both domains have
    it. ``marginal``, ``conditional``: weights of the two parts.
    Reference: Long et al., Transfer feature learning with joint distribution adaptation, ICCV 2013, eqs. 3 and 6.
    """
    both = np.concatenate([labels, guess])
    side = np.repeat([1.0, -1.0], [len(labels), len(guess)])
    shared = [c for c in np.unique(labels) if c >= 0 and (guess == c).any()]
    rows = [np.sqrt(marginal) * side / np.where(side > 0, len(labels), len(guess))]
    for c in shared:
        counts = np.where(side > 0, (labels == c).sum(), (guess == c).sum())
        rows.append(np.sqrt(conditional) * side * (both == c) / counts)
    return np.stack(rows)


def means(count: int, other: int) -> np.ndarray:
    """The row e (1, N) of the difference of the domains' means, of ``count`` and of ``other`` examples."""
    return contrasts(np.full(count, -1), np.full(other, -1))


def frobenius(rows: np.ndarray) -> float:
    """The Frobenius norm of the sum of e e' over ``rows`` (C, N)."""
    return float(np.linalg.norm(rows @ rows.T))


def unit(width: int) -> Scale:
    """The layer that divides features (B, ``width``) by their length."""
    return Scale({"mean": np.zeros(width), "deviation": np.ones(width)}, rows="length")
