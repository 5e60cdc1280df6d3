"""One column of a table as numbers for a network: fitted on the rows of training, then fixed."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from regraft.core.config import settings
from regraft.data.columns import date, kind_of, number, parts

LEVELS = 50
"""Values of a category that have an input of their own, at most: the most frequent."""
_FARTHEST = 10.0
"""Standardised values are cut here: one typing error must not drown everything else."""
_DATED = 5


@settings
class Column:
    """A column's name, kind and what was measured of its values.

    Inputs of a number: its distance from ``centre`` in units of ``spread``. Of a date: the same for year, month, day,
    weekday and days since 1970. Of a category: one for each level, and one for every other value. Where training had
    missing values (``gaps``), one more input says that the value is missing; its other inputs are then 0.
    """

    name: str
    """In the header of the table, in lower case."""
    kind: Literal["number", "date", "category"]
    """What its values are."""
    gaps: bool = False
    """Whether values were missing in training."""
    centre: tuple[float, ...] = ()
    """Subtracted from each number."""
    spread: tuple[float, ...] = ()
    """Divides each number after the centre is subtracted."""
    levels: tuple[str, ...] = ()
    """The values of a category that have an input of their own."""

    @property
    def width(self) -> int:
        """How many inputs it becomes."""
        return (len(self.levels) + 1 if self.kind == "category" else len(self.centre)) + self.gaps

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """The inputs (N, ``width``), float32, of the values of N rows; what is not of its kind counts as missing."""
        if self.kind == "category":
            places = {level: i for i, level in enumerate(self.levels)}
            filled = np.zeros((len(texts), len(self.levels) + 1))
            for row, text in zip(filled, texts, strict=True):
                row[places.get(text, len(self.levels))] = bool(text)
            absent = np.array([not text for text in texts], dtype=bool)
        else:
            raw = _numbers(texts, self.kind)
            absent = np.isnan(raw[:, 0])
            filled = np.nan_to_num((raw - self.centre) / self.spread).clip(-_FARTHEST, _FARTHEST)
        inputs = np.column_stack([filled, absent]) if self.gaps else filled
        return inputs.astype(np.float32)


def fitted(name: str, texts: Sequence[str]) -> Column | None:
    """The column ``name`` with these values in training; None where all are missing."""
    kind, gaps = kind_of(texts), not all(texts)
    if kind == "category":
        often = Counter(text for text in texts if text)
        levels = sorted(often, key=lambda level: (-often[level], level))[:LEVELS]
        return Column(name=name, kind=kind, gaps=gaps, levels=tuple(sorted(levels)))
    if kind == "empty":
        return None
    values = _numbers(texts, kind)
    of_each = [_scale(column[~np.isnan(column)], robust=kind == "number") for column in values.T]
    centre, spread = (tuple(part) for part in zip(*of_each, strict=True))
    return Column(name=name, kind=kind, gaps=gaps, centre=centre, spread=spread)


def _numbers(texts: Sequence[str], kind: str) -> np.ndarray:
    """The numbers (N, M) that the values hold; rows of missing ones are not a number."""
    if kind == "number":
        found = [number(text) for text in texts]
        return np.array([np.nan if value is None else value for value in found], dtype=float)[:, None]
    days = [date(text) for text in texts]
    return np.array([(np.nan,) * _DATED if day is None else parts(day) for day in days], dtype=float)


def _scale(values: np.ndarray, robust: bool) -> tuple[float, float]:
    """Median and spread of the middle half, in units of a normal deviation; mean and deviation where that is none."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    if robust and high > low:
        return float(middle), float(high - low) / 1.349
    deviation = float(values.std())
    return float(values.mean()), deviation if deviation > 0 else 1.0
