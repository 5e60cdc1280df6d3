"""Which layer of a source to take features from: each block judged by a probe on the labelled target."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regraft.backbones._base import Network
from regraft.bench import Bench
from regraft.data.dataset import Dataset
from regraft.features import forward
from regraft.model import watched
from regraft.ranking import KEPT, measured
from regraft.scores._base import Evidence
from regraft.sources import Source

PROBE = "linear_probe"
"""The score that judges: cross-validated log-likelihood, or the share of variance explained."""
_RESAMPLES = 10


def by_depth(source: Source, train: Dataset, bench: Bench) -> dict[str, Any]:
    """The pooled outputs of a source's blocks, each scored, from one pass over the labelled target.

    Intervals (90%) are of the difference to the features that the source ends with, over subsamples as in
    `regraft.ranking.placed`. The best block is the best of several, so its lead is a little optimistic.

    Returns:
        ``best``, its number among ``blocks``, stem first; each has ``block``, ``width``, ``value`` and the
        ``difference`` to the last with ``low`` and ``high``.
    """
    tapped = _Tapped(source.model.backbone)
    x = forward(tapped, train, source.backbone.preprocess, source.inference)
    parts = np.split(x, np.cumsum(tapped.widths)[:-1], axis=1)
    found = [measured(Evidence(part, train.labels), (PROBE,), bench.seed, _RESAMPLES) for part in parts]
    wider, rows = (KEPT / (1 - KEPT)) ** 0.5, []
    for number, (part, one) in enumerate(zip(parts, found, strict=True), 1):
        lead = float(one.whole[0] - found[-1].whole[0])
        reach = 1.645 * wider * float((one.draws - found[-1].draws)[:, 0].std())
        told = {"block": number, "width": part.shape[1], "value": float(one.whole[0])}
        rows.append({**told, "difference": lead, "low": lead - reach, "high": lead + reach})
    return {"best": int(np.nanargmax([row["value"] for row in rows])) + 1, "blocks": rows}


class _Tapped(nn.Module):
    """A network that puts out the pooled outputs of its blocks and its own, side by side."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.widths: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (B, ...) to (B, the sum of ``widths``)."""
        with watched(self.network) as seen:
            last = self.network(x)
        pooled = [self._pooled(output) for _, output in seen if len(output) == len(x)]
        if not (pooled and pooled[-1].shape == last.shape and torch.equal(pooled[-1], last)):
            pooled.append(last)
        self.widths = [part.shape[1] for part in pooled]
        return torch.cat(pooled, dim=1)

    def _pooled(self, output: Tensor) -> Tensor:
        """Maps (B, C, H, W) and sequences averaged to (B, C): transformers have channels last, convolutions first."""
        if output.dim() == 3 and self.network.tempo != 1.0:
            return output.mean(1)
        return output.flatten(2).mean(2) if output.dim() > 2 else output.reshape(len(output), -1)
