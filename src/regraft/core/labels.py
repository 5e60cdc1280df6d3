"""What labels are: the one distinction that readers, splits, tasks, methods and reports share."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np


class Labels(StrEnum):
    """What the labels of examples are. The value is how it is said; ``task`` names the task that learns them."""

    CLASSES = "classes"
    NUMBERS = "numbers"
    SETS = "label sets"

    @property
    def task(self) -> str:
        """The name of its task in the catalogue."""
        return {"classes": "classification", "numbers": "regression", "label sets": "multilabel"}[self.value]

    @property
    def one(self) -> str:
        """What one of the things is called that examples are counted by."""
        return "label" if self is Labels.SETS else "class"

    @property
    def many(self) -> str:
        """The plural of ``one``; numbers are counted all together."""
        return "labels" if self is Labels.SETS else self.value


def labels_of(labels: np.ndarray | None) -> Labels:
    """What an array holds: indices of classes (N,), numbers (N,) or label sets (N, Z); classes where it is None."""
    if labels is None:
        return Labels.CLASSES
    return Labels.SETS if labels.ndim == 2 else Labels.NUMBERS if labels.dtype.kind == "f" else Labels.CLASSES


def said(names: Sequence[str], row: np.ndarray) -> str:
    """A label set (Z,) in words: the ``names`` that it holds, or ``none``."""
    return ", ".join(name for name, held in zip(names, row, strict=True) if held) or "none"
