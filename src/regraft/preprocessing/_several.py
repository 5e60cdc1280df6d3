"""What several networks each want of the same examples, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regraft.augment import Augment
from regraft.preprocessing._base import Preprocess


@dataclass(frozen=True)
class Several(Preprocess):
    """The decoded arrays of each of ``members``, which are of one kind, in a row; `inputs` makes inputs of them.

    Arrays that several networks read (those of one ``key``) are there once.
    """

    members: tuple[Preprocess, ...]

    @property
    def kind(self) -> str:  # type: ignore[override]
        """The kind of `Examples` that all of them take."""
        return self.members[0].kind

    @property
    def key(self) -> str:
        """See `Preprocess.key`."""
        return "+".join(each.key for each in self._unlike)

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Preprocess.shape`."""
        return (sum(self._sizes),)

    @property
    def dtype(self) -> np.dtype:
        """See `Preprocess.dtype`."""
        return np.result_type(*(each.dtype for each in self._unlike))

    def decode(self, items: Sequence[Any]) -> np.ndarray:
        """See `Preprocess.decode`."""
        parts = [each.decode(items).reshape(len(items), -1) for each in self._unlike]
        return np.concatenate(parts, 1).astype(self.dtype, copy=False)

    def tensor(self, arrays: np.ndarray, augment: Augment | None = None, draws: Tensor | None = None) -> Tensor:
        """The arrays (B, E) as they are: each member makes its inputs of its own part."""
        return torch.from_numpy(np.ascontiguousarray(arrays))

    def inputs(self, rows: Tensor, member: int) -> Tensor:
        """The inputs (B, ...) of the network number ``member``, of what `tensor` gave (B, E)."""
        wanted, place = self.members[member], 0
        for each, size in zip(self._unlike, self._sizes, strict=True):
            if each.key == wanted.key:
                part = rows[:, place : place + size].cpu().numpy().astype(each.dtype, copy=False)
                return wanted.tensor(part.reshape(-1, *each.shape)).to(rows.device)
            place += size
        raise AssertionError("every member has a part")

    def sample(self, count: int) -> Tensor:
        """See `Preprocess.sample`."""
        top = 256 if self.dtype == np.uint8 else 2
        drawn = np.random.default_rng(0).integers(0, top, (count, *self.shape))
        return torch.from_numpy(drawn.astype(self.dtype))

    @property
    def _unlike(self) -> list[Preprocess]:
        return list({each.key: each for each in self.members}.values())

    @property
    def _sizes(self) -> list[int]:
        return [int(np.prod(each.shape)) for each in self._unlike]
