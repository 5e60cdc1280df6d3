"""The contract of preprocessing: raw examples to arrays, once; arrays to tensors, batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from regraft.augment import Augment
from regraft.core.config import settings


@settings
class Preprocess(ABC):
    """How examples of one kind become what a network expects. Also a `decoding.Form`."""

    kind: ClassVar[str]
    """The kind of `Examples` that it takes."""
    varies: ClassVar[bool] = False
    """Whether `tensor` can vary examples in training."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Differs where `decode` would give other arrays."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one decoded example."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """Of decoded examples."""

    @abstractmethod
    def decode(self, items: Sequence[Any]) -> np.ndarray:
        """The arrays (N, ...) of N items of `Examples`.

        Raises:
            UserError: an item cannot be read; readers list such items as skipped, so it changed since.
        """

    @abstractmethod
    def tensor(self, arrays: np.ndarray, augment: Augment | None = None, draws: Tensor | None = None) -> Tensor:
        """A batch of decoded examples as a network's inputs (B, ...); varied as ``draws`` (B, 9) say, if given."""

    def order(self, arrays: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The order (N,) in which the examples at ``rows`` (N,) are best forwarded: those of like length together."""
        return np.arange(len(rows))

    @abstractmethod
    def sample(self, count: int) -> Tensor:
        """Random inputs, always the same, of the shape and range of real ones: to try a network out."""
