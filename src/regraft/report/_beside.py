"""What lies beside ``run.json``, as checked records."""

import numpy as np
from pydantic import Field

from regraft.report._records import Record


class Holdout(Record):
    """The judged examples, in the order of the outputs."""

    kind: str = "image"
    items: list[str] = Field(default_factory=list)
    """The files of pictures, the texts themselves, or whatever says what an example is."""
    targets: list[int] = Field(default_factory=list)
    numbers: list[float] = Field(default_factory=list)
    """What was to be predicted, where it is no class."""
    sets: list[list[int]] = Field(default_factory=list)
    """The labels of each example, where there may be several."""
    classes: list[str]

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self.targets or self.numbers or self.sets)

    @property
    def indicators(self) -> np.ndarray:
        """The label sets as (N, Z): 1 where an example has the label."""
        held = np.zeros((len(self.sets), len(self.classes)), dtype=np.int64)
        for row, labels in enumerate(self.sets):
            held[row, labels] = 1
        return held


class Maps(Record):
    """Two-dimensional maps of features, (M, 2) each, with the class of each point."""

    before: list[tuple[float, float]] = Field(default_factory=list)
    after: list[tuple[float, float]] = Field(default_factory=list)
    targets: list[int]
