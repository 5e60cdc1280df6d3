"""How long a step takes: as stated at first, then as trials tell."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regraft.core import catalog

Key = tuple[str, str]
"""A candidate's source and method."""


class Paces:
    """Seconds of a step by source and method. ``costs``: measured seconds of training on an example, by source."""

    def __init__(self, costs: Mapping[str, float]) -> None:
        self.costs, self._found = dict(costs), dict[Key, float]()

    def of(self, key: Key, examples: int) -> float:
        """Of a batch of at most ``examples``: as stated, corrected by its own trials, else by those from its source."""
        near = [ratio for (source, _), ratio in self._found.items() if source == key[0]]
        return self._stated(key, examples) * self._found.get(key, float(np.median(near)) if near else 1.0)

    def note(self, key: Key, trial: Mapping[str, Any], examples: int) -> None:
        """Note how the pace of a ``trial`` compares with what was stated."""
        stated = self._stated(key, examples)
        if trial.get("pace") and stated:
            self._found[key] = trial["pace"] / stated

    def _stated(self, key: Key, examples: int) -> float:
        """By the network's measured speed and the method's relative cost."""
        return min(32, examples) * self.costs[key[0]] * float(catalog.find("methods", key[1]).cost)
