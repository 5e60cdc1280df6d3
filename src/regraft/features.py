"""Forward passes without gradients, each done once and remembered on disk."""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from regraft.backbones._base import Network
from regraft.data.dataset import Dataset
from regraft.folding import folded
from regraft.preprocessing._base import Preprocess
from regraft.runtime import Runtime

_log = logging.getLogger("regraft")
_BATCH = 64


@dataclass(frozen=True)
class Memory:
    """Where forward passes run and where their results are kept (None: nowhere)."""

    runtime: Runtime = Runtime()
    cache: Path | None = None


def forward(module: nn.Module, dataset: Dataset, preprocess: Preprocess, runtime: Runtime) -> np.ndarray:
    """Outputs (N, ...) of ``module`` in evaluation mode, float32, in the order of the dataset."""
    was = module.training
    runtime.place(module.eval())
    rows = []
    with folded(module, preprocess.sample(2)), torch.inference_mode(), runtime.limited(), runtime.compute(module):
        order = preprocess.order(dataset.arrays, dataset.rows)
        for part in np.array_split(order, max(1, -(-len(dataset) // _BATCH))):
            x = preprocess.tensor(dataset.arrays[dataset.rows[part]])
            rows.append(module(runtime.send(x)).float().cpu().numpy())
    module.train(was)
    return np.concatenate(rows)[np.argsort(order)]


def features(network: Network, dataset: Dataset, preprocess: Preprocess, memory: Memory) -> np.ndarray:
    """Pooled features (N, D) of the examples, float32.

    Remembered by fingerprints of the weights, the preprocessing, the examples and the precision, as a memory map.
    """
    if memory.cache is None:
        return forward(network, dataset, preprocess, memory.runtime)
    parts = (fingerprint(network), repr(preprocess), dataset.examples.fingerprint, memory.runtime.precision)
    name = hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()
    path = memory.cache / "features" / f"{name}.npy"
    remembered = _load(path, len(dataset), network.feature_dim)
    if remembered is None:
        remembered = forward(network, dataset, preprocess, memory.runtime)
        _save(path, remembered)
    return remembered


def fingerprint(network: nn.Module) -> str:
    """A digest of a network's architecture and weights."""
    digest = hashlib.blake2b(repr(network).encode(), digest_size=16)
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _load(path: Path, count: int, width: int) -> np.ndarray | None:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if found.shape != (count, width):
        return None
    os.utime(path)  # the least recently used are dropped first
    return np.asarray(found)


def _save(path: Path, array: np.ndarray) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        _log.warning("features are not remembered: cannot write %s (%s)", path, error.strerror)
