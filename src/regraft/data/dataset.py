"""Decoded examples, and the domain that a method learns on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regraft.data.examples import Examples


@dataclass(frozen=True)
class Dataset:
    """Examples with their decoded pictures: ``pixels`` (M, S, S, 3) uint8, of which ``rows`` (N,) are the examples'.

    ``pixels`` may be a memory map: nothing is copied until a batch is drawn.
    """

    examples: Examples
    pixels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Dataset":
        """The examples at ``indices``, over the same pictures."""
        index = np.asarray(indices, dtype=np.int64)
        return Dataset(self.examples.take(index), self.pixels, self.rows[index])

    def unlabelled(self) -> "Dataset":
        """The same pictures without their labels."""
        return Dataset(self.examples.unlabelled(), self.pixels, self.rows)

    @cached_property
    def labels(self) -> np.ndarray:
        """Labels (N,).

        Raises:
            ValueError: the labels are withheld.
        """
        if self.examples.labels is None:
            raise ValueError("these examples have no labels")
        return self.examples.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.examples.classes


@dataclass(frozen=True)
class Domain:
    """Data of one distribution, as far as a method may see it."""

    name: str
    train: Dataset
    unlabeled: Dataset | None = None
    validation: Dataset | None = None


def whole(examples: Examples, pixels: np.ndarray) -> Dataset:
    """A dataset of all ``pixels`` (N, S, S, 3), one for each example."""
    return Dataset(examples, pixels, np.arange(len(examples)))
