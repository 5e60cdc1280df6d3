"""The contract of weightings: target density over source density, for each source example."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from regraft.core import catalog
from regraft.core.arrays import array, classes, matrix
from regraft.core.errors import UserError


class Weighting(ABC):
    """An estimate of how much likelier each source example is in the target domain; usable alone on arrays."""

    labelled: ClassVar[bool] = False
    """Whether it reads the labels of the source (of label shift, for instance)."""

    def __call__(self, source: Any, target: Any, labels: Any = None) -> np.ndarray:
        """Weights (N,) with mean one for source features (N, D), from those of the target (M, D).

        Arrays or tensors. ``labels`` (N,): classes of the source examples, for weightings that are `labelled`.

        Raises:
            UserError: an input is empty, not a matrix, or holds not-a-number or infinite values; the two differ in
                width; labels that it reads are missing or no whole numbers; labels are not as many as the examples.
        """
        ours, theirs = matrix(source, "the source"), matrix(target, "the target")
        if ours.shape[1] != theirs.shape[1]:
            raise UserError(
                f"source and target must have the same number of features, got {ours.shape[1]} and {theirs.shape[1]}"
            )
        name = catalog.called(type(self))
        known = None if labels is None or not self.labelled else classes(labels, "the source")
        many = None if labels is None else array(labels, "labels of the source").shape[:1]
        if (self.labelled and known is None) or (many is not None and many != (len(ours),)):
            count = many[0] if many else "none"
            raise UserError(f"{name} needs a label for each of the {len(ours)} source examples, got {count}")
        if known is not None and (known < 0).any():
            raise UserError(f"{name} needs a label for each source example, and {(known < 0).sum()} are unknown")
        weights = np.maximum(self.estimate(ours, theirs, known), 0.0)
        total = weights.sum()
        return weights * (len(weights) / total) if np.isfinite(total) and total > 0 else np.ones(len(ours))

    @abstractmethod
    def estimate(self, source: np.ndarray, target: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Weights (N,) in any unit, from checked float64 features; what is negative counts as zero."""


def effective_size(weights: np.ndarray) -> float:
    """How many equally weighted examples say as much: (sum of w)^2 / sum of w^2, in [1, N].

    Reference: Kish, Survey sampling, 1965, section 8.2.
    """
    return float(weights.sum() ** 2 / (weights**2).sum())


def tempered(weights: np.ndarray, least: float) -> np.ndarray:
    """Weights with mean one of which the effective size is at least ``least`` (a share of N, in (0, 1]).

    Weights that rest on fewer examples are drawn towards one, all by the same share and no more than needed. So those
    that are zero come to count a little, which no power of them would.
    Reference: Hesterberg, Weighted average importance sampling and defensive mixture distributions, Technometrics 1995,
    section 2.2.
    """
    even = weights / weights.mean()
    spread = float(((even - 1) ** 2).mean())  # N over the effective size, less one
    allowed = 1 / least - 1
    return np.asarray(even if spread <= allowed else 1 + (allowed / spread) ** 0.5 * (even - 1))
