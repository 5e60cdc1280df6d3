"""What tokenised text has in common, whoever made the tokens."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from regraft.augment import Augment
from regraft.core.config import settings
from regraft.preprocessing._base import Preprocess

PAD = -1
"""Where a text has ended. Not a token of any vocabulary: some have none for it."""


@settings
class Text(Preprocess):
    """Texts as the numbers of their tokens (N, L), cut at ``length`` and filled up with -1."""

    kind: ClassVar[str] = "text"

    length: int = 64
    """Tokens of a text that are read, at most."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of the tokens of each text, at most ``length``, at least one."""

    @property
    def stands_for_hidden(self) -> int:
        """The number of the token that takes the place of a hidden one; by default that of everything unknown."""
        return 0

    @property
    def special(self) -> tuple[int, ...]:
        """Numbers of tokens that are no part of what was written."""
        return ()

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Preprocess.shape`."""
        return (self.length,)

    @property
    def dtype(self) -> np.dtype:
        """See `Preprocess.dtype`."""
        return np.dtype(np.int32)

    def decode(self, items: Sequence[Any]) -> np.ndarray:
        """Texts to token numbers (N, L)."""
        found = np.full((len(items), self.length), PAD, np.int32)
        for row, tokens in zip(found, self.tokenize(items), strict=True):
            row[: len(tokens)] = tokens
        return found

    def tensor(self, arrays: np.ndarray, augment: Augment | None = None, draws: Tensor | None = None) -> Tensor:
        """Token numbers (B, l) int64, cut at the longest text of the batch."""
        longest = max(1, int((arrays != PAD).sum(1).max(initial=1)))
        return torch.from_numpy(np.ascontiguousarray(arrays[:, :longest]).astype(np.int64))

    def order(self, arrays: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """See `Preprocess.order`."""
        return np.argsort((arrays[rows] != PAD).sum(1), kind="stable")

    def sample(self, count: int) -> Tensor:
        """See `Preprocess.sample`."""
        return torch.zeros(count, self.length, dtype=torch.int64)


def fitting(lengths: Sequence[int], most: int) -> int:
    """The length, a multiple of 8 up to ``most``, that 99 of 100 texts fit into."""
    return int(min(most, 8 * -(-int(np.quantile(lengths, 0.99)) // 8)))
