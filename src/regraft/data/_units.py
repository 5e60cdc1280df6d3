"""What must stay on one side of every split: copies of an example, and groups."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from regraft.core.seeding import derive
from regraft.data.examples import Examples


def distinct(examples: Examples, indices: np.ndarray) -> list[int]:
    """One index for each digest: the copy with the smallest id."""
    first: dict[str, int] = {}
    for i in sorted(indices.tolist(), key=lambda i: examples.ids[i]):
        first.setdefault(examples.digests[i], i)
    return list(first.values())


def ordered_units(examples: Examples, seed: int, purpose: str) -> list[np.ndarray]:
    """What must stay together, shuffled by content."""
    return sorted(units_of(examples), key=lambda unit: derive(seed, purpose, min(examples.digests[i] for i in unit)))


def units_of(examples: Examples) -> list[np.ndarray]:
    """What must stay together, in the order of the examples: those of one group, and copies of one example."""
    groups = examples.groups
    return merge([[d] if groups is None else [d, "group " + groups[i]] for i, d in enumerate(examples.digests)])


def merge(keys: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """Positions that share a key, directly or through others, together: the connected components."""
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    owner: dict[str, int] = {}
    for i, names in enumerate(keys):
        for name in names:
            parent[root(i)] = root(owner.setdefault(name, i))
    units: dict[int, list[int]] = defaultdict(list)
    for i in range(len(keys)):
        units[root(i)].append(i)
    return [np.array(unit, dtype=np.int64) for unit in units.values()]
