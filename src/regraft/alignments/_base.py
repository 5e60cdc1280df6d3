"""The contract of alignments: two maps into one space, in closed form."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from torch import nn

from regraft.core import catalog
from regraft.core.arrays import classes, matrix
from regraft.core.errors import CandidateError, UserError
from regraft.heads._layers import through


@dataclass(frozen=True)
class Aligned:
    """A fitted alignment. Its layers map features (B, D) of a domain to (B, E); they are saved with a model.

    See `heads._layers` for what a layer may be. ``width``: D, None where features of any width are taken.
    """

    source_layer: nn.Module
    target_layer: nn.Module
    width: int | None = field(default=None, kw_only=True)

    def source(self, features: Any) -> np.ndarray:
        """Source features (N, D), an array or a tensor, in the common space (N, E), float64.

        Raises:
            UserError: as in `Alignment.fit`; or they are not as many as it was fitted on.
        """
        return through(self.source_layer, self._fitting(features, "the source"))

    def target(self, features: Any) -> np.ndarray:
        """Target features (M, D), an array or a tensor, in the common space (M, E), float64; errors as of `source`."""
        return through(self.target_layer, self._fitting(features, "the target"))

    def _fitting(self, features: Any, whose: str) -> np.ndarray:
        found = matrix(features, whose)
        if self.width not in (None, found.shape[1]):
            raise UserError(
                f"{whose} has {found.shape[1]} features, but the alignment was fitted on {self.width}; give as many"
            )
        return found


class Alignment(ABC):
    """Options of an alignment; usable alone on arrays."""

    labelled: ClassVar[bool] = False
    """Whether it reads the labels of the source."""
    unlabeled: ClassVar[bool] = True
    """Whether it takes unlabelled target examples."""

    def fit(self, source: Any, labels: Any, target: Any, target_labels: Any = None) -> Aligned:
        """The alignment of source features (N, D) with classes (N,) and target features (M, D).

        ``target_labels`` (M,): classes of target examples, -1 where one is not known; None: no one is. Arrays or
        tensors; what reads no labels takes None for them.

        Raises:
            UserError: an input is empty, not a matrix, or holds not-a-number or infinite values; the two differ in
                width; there are not as many labels as examples; a label is no whole number; none is known where it
                reads labels.
            CandidateError: this alignment cannot be computed for these examples.
        """
        ours, theirs = matrix(source, "the source"), matrix(target, "the target")
        if ours.shape[1] != theirs.shape[1]:
            raise UserError(
                f"source and target must have the same number of features, got {ours.shape[1]} and {theirs.shape[1]}"
            )
        name = catalog.called(type(self))
        if self.labelled and labels is None:
            raise UserError(f"{name} needs a label for each of the {len(ours)} source examples")
        y = np.full(len(ours), -1) if labels is None else classes(labels, "the source")
        z = np.full(len(theirs), -1) if target_labels is None else classes(target_labels, "the target")
        if (len(y), len(z)) != (len(ours), len(theirs)):
            raise UserError(f"{len(ours)} source and {len(theirs)} target examples have {len(y)} and {len(z)} labels")
        if self.labelled and not (y >= 0).any():
            raise UserError(f"{name} needs source examples with labels; all of theirs are unknown")
        try:
            return replace(self.align(ours, y, theirs, z), width=ours.shape[1])
        except np.linalg.LinAlgError as error:
            raise CandidateError(f"{type(self).__name__} cannot be computed for these features: {error}") from error

    @abstractmethod
    def align(self, source: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> Aligned:
        """See `fit`; the inputs are checked, float64, and labels that are not known are -1."""
