"""The batches of a stream: batch t is a function of (seed, stream, t), so a resumed run draws what it would have."""

import numpy as np
import torch
from torch import Tensor, nn

from regraft.augment import Augment
from regraft.backbones._base import Network
from regraft.core.batch import Batch, Stream
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.preprocessing._base import Preprocess
from regraft.runtime import Runtime

REMEMBER_BYTES = 2 << 30
"""Activations of a frozen prefix are remembered up to this size."""


class Feed:
    """Endless batches of one stream. Epochs are whole permutations; a batch may reach from one into the next.

    ``views``: how many variants of each example there are; None for a new one each epoch.
    """

    def __init__(self, dataset: Dataset, stream: Stream, seed: int, preprocess: Preprocess, runtime: Runtime) -> None:
        self.dataset, self.stream, self.seed = dataset, stream, seed
        self.preprocess, self.runtime = preprocess, runtime
        self.batch_size = 32
        self.views: int | None = None
        self.augment: Augment | None = None
        self._order: dict[int, np.ndarray] = {}
        self._draws: dict[int, Tensor] = {}
        self._memory: dict[int, Tensor] = {}
        self._prefix: Network | None = None
        self._start = 0

    def vary(self, batch_size: int, augment: Augment | None, views: int | None) -> "Feed":
        """Set the size of batches (at most all examples) and how examples vary."""
        self.batch_size = min(batch_size, len(self.dataset))
        self.augment = augment if self.preprocess.varies else None
        self.views = 1 if self.augment is None else views
        return self

    def batch(self, step: int) -> Batch:
        """The batch of ``step``."""
        n, size = len(self.dataset), self.batch_size
        position = np.arange(step * size, (step + 1) * size)
        epochs = position // n
        index = np.concatenate([self._permutation(int(e))[position[epochs == e] % n] for e in np.unique(epochs)])
        view = epochs if self.views is None else epochs % self.views
        inputs, places = self.runtime.send(self._inputs(index, view)), self.runtime.send(torch.from_numpy(index))
        return Batch(inputs, self._targets(index), self._start, places)

    def remember(self, network: Network, stop: int) -> bool:
        """Forward a view of every example through the first ``stop`` stages once, when it is first drawn from.

        False if all views together would be too large, or never come again; then each batch is forwarded whole.
        """
        if self.views is None or stop == 0:
            return False
        longest = self.preprocess.order(self.dataset.arrays, self.dataset.rows)[-1:]
        one = self._forward(network, stop, longest, 0)
        if one.nbytes * len(self.dataset) * self.views > REMEMBER_BYTES:
            return False
        self._prefix, self._start = network, stop
        return True

    def _forward(self, network: Network, stop: int, index: np.ndarray, view: int) -> Tensor:
        x = self.runtime.send(self._examples(index, np.full(len(index), view)))
        with torch.no_grad(), self.runtime.compute(network):
            return network(x, 0, stop)

    def _recalled(self, view: int) -> Tensor:
        """The activations of every example in one view."""
        if view not in self._memory:
            assert self._prefix is not None
            parts = np.array_split(np.arange(len(self.dataset)), max(1, len(self.dataset) // 64))
            self._memory[view] = _joined([self._forward(self._prefix, self._start, part, view) for part in parts])
        return self._memory[view]

    def _inputs(self, index: np.ndarray, view: np.ndarray) -> Tensor:
        if self._prefix is None:
            return self._examples(index, view)
        ends = np.flatnonzero(np.diff(view)) + 1  # where one epoch ends and the next begins
        runs = zip(np.split(index, ends), np.split(view, ends), strict=True)
        return torch.cat([self._recalled(int(v[0]))[torch.from_numpy(i)] for i, v in runs])

    def _examples(self, index: np.ndarray, view: np.ndarray) -> Tensor:
        draws = None
        if self.augment is not None:
            draws = torch.stack([self._drawn(int(v))[i] for i, v in zip(index, view, strict=True)])
        return self.preprocess.tensor(self.dataset.arrays[self.dataset.rows[index]], self.augment, draws)

    def _targets(self, index: np.ndarray) -> Tensor | None:
        if self.stream.drawn_like is Stream.UNLABELED:
            return None
        return self.runtime.send(torch.from_numpy(self.dataset.labels[index]))

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._order:
            generator = np.random.default_rng(derive(self.seed, self.stream.drawn_like, "order", int(epoch)))
            self._order = {e: o for e, o in self._order.items() if e >= epoch - 1}
            self._order[epoch] = generator.permutation(len(self.dataset))
        return self._order[epoch]

    def _drawn(self, view: int) -> Tensor:
        if view not in self._draws:
            if self.views is None:  # each epoch's draws are used once
                self._draws = {v: d for v, d in self._draws.items() if v >= view - 1}
            assert self.augment is not None
            self._draws[view] = self.augment.draw(len(self.dataset), self.seed, self.stream, view)
        return self._draws[view]


def _joined(parts: list[Tensor]) -> Tensor:
    """Activations of all examples; those of shorter texts (B, L, ...) are filled up with zeros, which say so."""
    longest = max(part.shape[1] for part in parts)
    if all(part.shape[1] == longest for part in parts):
        return torch.cat(parts)
    return torch.cat([nn.functional.pad(p, (0, 0) * (p.dim() - 2) + (0, longest - p.shape[1])) for p in parts])
