"""Rows of a table: numbers standardised, categories one input a value, dates taken apart."""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from regraft.augment import Augment
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.columns import Row, names_of
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing._columns import Column, fitted


@settings
class Columns(Preprocess):
    """Rows as numbers (N, D), by columns that were fitted on the rows of training.

    Columns are found by name: those that were not there in training are ignored, those that lack are missing values.
    """

    kind: ClassVar[str] = "table"

    columns: tuple[Column, ...] = ()
    """The columns that are read, with what was measured of each."""

    @property
    def key(self) -> str:
        """See `Preprocess.key`."""
        return f"columns-{hashlib.blake2b(repr(self.columns).encode(), digest_size=8).hexdigest()}"

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Preprocess.shape`."""
        return (sum(column.width for column in self.columns),)

    @property
    def dtype(self) -> np.dtype:
        """See `Preprocess.dtype`."""
        return np.dtype(np.float32)

    def decode(self, items: Sequence[Row]) -> np.ndarray:
        """Rows to numbers (N, D).

        Raises:
            UserError: a row has none of the columns; names those of both.
        """
        known = {column.name for column in self.columns}
        for row in items:
            if not known.intersection(row.values):
                raise UserError(
                    f"the model reads the columns {', '.join(sorted(known))}, but there are "
                    f"{', '.join(names_of([row])) or 'none'}; give a table with its columns"
                )
        encoded = [column.encode([row.values.get(column.name, "") for row in items]) for column in self.columns]
        return np.concatenate(encoded, 1) if encoded else np.empty((len(items), 0), np.float32)

    def tensor(self, arrays: np.ndarray, augment: Augment | None = None, draws: Tensor | None = None) -> Tensor:
        """Numbers (B, D), as they were decoded."""
        return torch.from_numpy(np.array(arrays))  # a copy: the arrays may be a map that cannot be written to

    def sample(self, count: int) -> Tensor:
        """See `Preprocess.sample`."""
        return torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(0))


def learned(rows: Sequence[Row]) -> Columns:
    """The columns of ``rows``, fitted on them.

    Raises:
        UserError: no column has a value.
    """
    found = [fitted(name, [row.values.get(name, "") for row in rows]) for name in names_of(rows)]
    kept = tuple(column for column in found if column is not None)
    if not kept:
        raise UserError("no column of the table has a value to learn from; give a table with more columns than labels")
    return Columns(columns=kept)
