"""Vectors of features that were made elsewhere: each number standardised."""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from regraft.augment import Augment
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.members import Member
from regraft.preprocessing._base import Preprocess

_FARTHEST = 10.0  # standardised values are cut here, as in tables


@settings
class Vectors(Preprocess):
    """Vectors (N, D), each number less its mean in training, in units of its standard deviation there."""

    kind: ClassVar[str] = "vector"

    centre: tuple[float, ...] = ()
    """Subtracted from each number."""
    spread: tuple[float, ...] = ()
    """Divides each number after the centre is subtracted."""

    @property
    def key(self) -> str:
        """See `Preprocess.key`."""
        return f"vectors-{hashlib.blake2b(repr((self.centre, self.spread)).encode(), digest_size=8).hexdigest()}"

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Preprocess.shape`."""
        return (len(self.centre),)

    @property
    def dtype(self) -> np.dtype:
        """See `Preprocess.dtype`."""
        return np.dtype(np.float32)

    def decode(self, items: Sequence[Member]) -> np.ndarray:
        """Vectors to standardised numbers (N, D).

        Raises:
            UserError: a vector has another length; names both.
        """
        if not items:
            return np.empty((0, *self.shape), self.dtype)
        raw = stacked(items, len(self.centre))
        scaled = (raw - np.array(self.centre, self.dtype)) / np.array(self.spread, self.dtype)
        return scaled.clip(-_FARTHEST, _FARTHEST)

    def tensor(self, arrays: np.ndarray, augment: Augment | None = None, draws: Tensor | None = None) -> Tensor:
        """Numbers (B, D), as they were decoded."""
        return torch.from_numpy(np.array(arrays))  # a copy: the arrays may be a map that cannot be written to

    def sample(self, count: int) -> Tensor:
        """See `Preprocess.sample`."""
        return torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(0))


def stacked(items: Sequence[Member], length: int) -> np.ndarray:
    """Vectors as one array (N, ``length``), float32.

    Raises:
        UserError: one has another length.
    """
    strange = next((item for item in items if len(item.content) != length), None)
    if strange is not None:
        raise UserError(
            f"{strange} is a vector of {len(strange.content)} numbers, but the others (or what the model reads) have "
            f"{length}; give vectors of the same features"
        )
    return np.stack([np.asarray(item.content) for item in items]).astype(np.float32, copy=False)


def measured(items: Sequence[Member]) -> Vectors:
    """Means and standard deviations of vectors.

    Raises:
        UserError: they differ in length.
    """
    raw = stacked(items, len(items[0].content)).astype(np.float64)
    deviation = raw.std(0)
    spread = np.where(deviation > 0, deviation, 1.0)
    return Vectors(centre=tuple(raw.mean(0).tolist()), spread=tuple(spread.tolist()))
