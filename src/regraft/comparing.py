"""Features in which two domains are compared."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from regraft.core.errors import UserError
from regraft.data import columns
from regraft.data.dataset import whole
from regraft.data.decoding import decoded
from regraft.data.examples import Examples, together
from regraft.features import Memory, features
from regraft.opening import backbone_for, known_by
from regraft.runtime import Runtime


def domain_features(domains: Sequence[Examples], source: str, runtime: Runtime, cache: Path | None) -> list[np.ndarray]:
    """Features (N, D) and (M, D) of two domains: those of the trained ``source``, or, without one, what is read.

    That is pixels, spectra, counts of subwords (their logarithms), or numbers of vectors and of the columns that both
    tables have, standardised on both together.

    Raises:
        UserError: the source knows other examples, cannot be opened, or the tables have no column in common.
    """
    a, b = domains
    flat = columns.shared(a, b)[0] if a.kind == "table" else together(a, b)
    if source.startswith("data:"):
        raise UserError(f"{source} has no features of its own; give a trained network, or leave --backbone out")
    if source:
        backbone, model = known_by(source, flat, None)[:2]
        data = whole(flat, decoded(flat, backbone.preprocess, cache))
        rows = features(model.backbone.eval(), data, backbone.preprocess, Memory(runtime, cache))
    else:
        rows = _as_read(flat, cache)
    return [rows[: len(a)], rows[len(a) :]]


def _as_read(examples: Examples, cache: Path | None) -> np.ndarray:
    backbone = backbone_for("small", examples)
    arrays = decoded(examples, backbone.preprocess, cache)
    data = whole(examples, arrays)
    x = backbone.preprocess.tensor(data.arrays[data.rows])
    if examples.kind == "text":
        tokens, words = x.numpy().astype(np.int64), len(backbone.vocabulary)
        counts = [np.bincount(row[row >= 0], minlength=words) for row in tokens]  # what is below fills up
        return np.asarray(np.log1p(np.stack(counts)), dtype=np.float64)
    if examples.kind == "audio":
        with torch.inference_mode():
            x = backbone.build(pretrained=False).stages[0](x)[:, 0]
    return x.flatten(1).double().numpy()
