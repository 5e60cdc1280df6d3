"""What can be found out about a network only by measuring it on the user's data."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax
from torch import nn

from regraft.backbones._base import Backbone, Network
from regraft.bench import Bench
from regraft.data.dataset import Dataset
from regraft.data.splits import clusters, folds
from regraft.features import Memory, features, forward
from regraft.folding import NORMS
from regraft.heads.logistic import Logistic
from regraft.model import Model, untracked
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing.images import Images
from regraft.runtime import Runtime, measure
from regraft.tasks._base import Task
from regraft.tasks.classification import Classification
from regraft.tasks.multilabel import Multilabel

BREAKS = 0.25
"""Nats of likelihood per example that batch statistics must cost to be called broken; sound networks differ by 0.05."""
_EXACTLY = 1e-4
"""How far placeholders may be from 0 and 1: variances of 1 less the layer's epsilon are some."""
SEEN = 64
"""Pictures on which conventions of input are compared, at most; spread over the classes."""
SMALL_WEIGHTS, SMALL_INPUT = 1_000_000, 3 * 32 * 32
"""Below both, a network always runs in fp32: measuring it would cost more than it saves."""
CLEARLY = 0.1
"""Nats of likelihood by which inputs of another kind must win: 0.05 is noise where a network knows nothing."""


def best_input(options: Sequence[Backbone], datasets: Sequence[Dataset], bench: Bench) -> int:
    """Which of the conventions ``options`` suits a network best; ``datasets``: the labelled target as each decodes it.

    `fit_of_input` decides among inputs of one size in pixels and of one scale. Inputs of hundreds, and of another size,
    make nearly any network surer, rightly or not: another kind than that of the surest one of about unit scale is taken
    only where a probe on the labelled target is better by `CLEARLY`.
    """
    fits = [fit_of_input(option, dataset, bench) for option, dataset in zip(options, datasets, strict=True)]
    kinds: dict[tuple[bool, int], list[int]] = {}
    for i, option in enumerate(options):
        kinds.setdefault(_kind(option.preprocess), []).append(i)
    best = [max(alike, key=fits.__getitem__) for alike in kinds.values()]
    least = min(kinds)[0]  # of hundreds only where there is nothing else
    first = max((i for i in best if _kind(options[i].preprocess)[0] == least), key=fits.__getitem__)
    if len(best) == 1 or datasets[0].examples.labels is None:  # without labels there is no probe
        return first
    memory = Memory(bench.runtime, bench.cache)
    found = {i: features(options[i].build(), datasets[i], options[i].preprocess, memory) for i in best}
    probes = {i: likelihood(x, *_known(datasets[i])) for i, x in found.items()}
    likeliest = max(probes, key=probes.__getitem__)
    return likeliest if probes[likeliest] > probes[first] + CLEARLY else first


def _kind(preprocess: Preprocess) -> tuple[bool, int]:
    """Whether inputs are of hundreds, and their pixels on a side; of all that are no pictures the same."""
    return (max(preprocess.std) < 0.05, preprocess.size) if isinstance(preprocess, Images) else (False, 0)


def fit_of_input(backbone: Backbone, dataset: Dataset, bench: Bench) -> float:
    """How well a convention of normalisation and padding suits a network; higher is better.

    A network that gets its inputs as in its training is surest of what it sees: the measure is the negative mean
    entropy of its own classes on the target's pictures. It reads no label, and few pictures tell conventions apart.
    Where the weights came without a classifier, it is the likelihood of a probe on the labelled target, and 0 where
    there are no labels.
    """
    network = backbone.recogniser()
    if network is None and dataset.examples.labels is None:
        return 0.0  # all are equal, and the first is the likeliest
    if network is None:
        x = features(backbone.build(), dataset, backbone.preprocess, Memory(bench.runtime, bench.cache))
        return likelihood(x, *_known(dataset))
    some = dataset.take(np.linspace(0, len(dataset) - 1, min(SEEN, len(dataset))).astype(int))
    logs = log_softmax(forward(network, some, backbone.preprocess, bench.runtime), axis=1)
    return float((np.exp(logs) * logs).sum(1).mean())


def _known(dataset: Dataset) -> tuple[np.ndarray, Sequence[str] | None]:
    return dataset.examples.strata, clusters(dataset.examples)


def likelihood(x: np.ndarray, labels: np.ndarray, groups: Sequence[str] | None = None) -> float:
    """Cross-validated log-likelihood of logistic regression on features (N, D), after temperature scaling.

    ``labels``: classes (N,), or strata (N, S) of several at once; see `Examples.strata`. ``groups`` (N) stay together,
    as they do where models are judged.

    Without the scaling, features that separate well but make the probe sound too sure would lose. It is 0 where no
    class has two examples, or only one is known, so that all backbones are equal.
    """
    splits = folds(labels, 5, 0, groups)
    if not splits or labels.min() == labels.max():  # of few numbers there is one bin only
        return 0.0
    task: Task = Classification() if labels.ndim == 1 else Multilabel()
    x, outputs = np.asarray(x, dtype=np.float64), int(labels.max()) + 1 if labels.ndim == 1 else labels.shape[1]
    found = []
    for learn, valid in splits:
        head = Logistic().fit(x[learn], labels[learn], outputs)
        with torch.no_grad():
            found.append(task.predict(head(torch.from_numpy(x[valid]).float())).numpy())
    truth = np.concatenate([labels[valid] for _, valid in splits])
    return float(task.criterion(np.concatenate(found), truth).mean())


def norm_breaks(network: Network, dataset: Dataset, backbone: Backbone, runtime: Runtime) -> bool | None:
    """Whether features under batch statistics are worse, by a probe, than under stored ones.

    None without such layers, and where the examples have no labels to probe with.

    Networks in the wild may have had their normalisation folded into the convolutions: then batch statistics undo it.
    Where that is plain to see, nothing is probed: a probe may not show what a descent loses.
    """
    if dataset.examples.labels is None or not any(isinstance(m, NORMS) for m in network.modules()):
        return None
    if folded_away(network):
        return True
    stored = likelihood(forward(network, dataset, backbone.preprocess, runtime), *_known(dataset))
    of_batch = likelihood(forward(_OfBatch(network), dataset, backbone.preprocess, runtime), *_known(dataset))
    return stored > of_batch + BREAKS


def folded_away(network: nn.Module) -> bool:
    """Whether all that normalisation by stored statistics does is to add a bias; in no fresh network it does as much.

    A file that was exported for inference has such placeholders for statistics; those of a batch undo its weights.
    """
    norms = [m for m in network.modules() if isinstance(m, NORMS) and m.affine and m.track_running_stats]
    stored = ((dict(m.named_buffers()), m.weight.detach(), m.bias) for m in norms)
    parts = [(named["running_mean"], named["running_var"] - 1, weight - 1, bias) for named, weight, bias in stored]
    plain = all(float(part.abs().max()) <= _EXACTLY for *layer, _ in parts for part in layer)
    return plain and any(bool(bias.any()) for *_, bias in parts)


class _OfBatch(nn.Module):
    """A network whose batch normalisation uses the statistics of each batch, also in evaluation mode."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norms = [m for m in self.network.modules() if isinstance(m, NORMS)]
        with untracked(self.network):
            for norm in norms:
                norm.train()
            try:
                return self.network(x)
            finally:
                for norm in norms:
                    norm.eval()


def fastest(model: Model, dataset: Dataset, preprocess: Preprocess, bench: Bench, name: str) -> tuple[Runtime, float]:
    """The fastest runtime and its seconds per example, for training or inference: the mode that ``model`` is in.

    Measured once in a run, so that resuming changes nothing.
    """
    network = model.backbone
    tiny = sum(p.numel() for p in network.parameters()) < SMALL_WEIGHTS and dataset.arrays[0].size <= SMALL_INPUT

    def find() -> list[Any]:
        rows = dataset.rows[np.resize(np.arange(len(dataset)), 32)]
        sample = preprocess.tensor(dataset.arrays[rows])
        asked = replace(bench.runtime, threads=1 if tiny else None)
        runtime, seconds = measure(network, sample, model.training, asked, fixed=tiny or not bench.measure)
        return [runtime.precision, seconds]

    precision, seconds = bench.journal.once(f"{name}-{'training' if model.training else 'inference'}", find)
    return replace(bench.runtime, precision=precision, threads=1 if tiny else None), seconds
