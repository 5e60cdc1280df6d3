"""Where examples lie before and after transfer, in two dimensions."""

from typing import Any

import numpy as np
from sklearn.manifold import TSNE

from regraft.core.labels import Labels
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset
from regraft.features import forward
from regraft.model import Model
from regraft.sources import Source

_MAPPED = 400
"""Examples in the two-dimensional maps, at most."""


def before_and_after(source: Source, trained: Model, holdout: Dataset, seed: int) -> dict[str, Any]:
    """Two-dimensional maps (t-SNE) of holdout features before and after transfer; empty where they would show nothing.

    Reference: van der Maaten and Hinton, Visualizing data using t-SNE, JMLR 2008.
    """
    rows = np.sort(np.random.default_rng(derive(seed, "maps")).permutation(len(holdout))[:_MAPPED])
    some = holdout.take(rows)
    if len(some) < 5 or some.examples.labelling is not Labels.CLASSES:  # a map shows whether classes lie apart
        return {}
    drawn: dict[str, Any] = {"targets": some.labels.tolist()}
    for name, model in (("before", source.model), ("after", trained)):
        x = forward(model.backbone, some, source.backbone.preprocess, source.inference)
        if x.shape[1] == 1 or len(np.unique(x, axis=0)) < 5:  # no plane; and t-SNE breaks down where all is one point
            return {}
        perplexity = min(30.0, (len(some) - 1) / 3)
        placed = TSNE(perplexity=perplexity, init="pca", random_state=0, max_iter=500).fit_transform(x)
        drawn[name] = np.round(placed.astype(float), 2).tolist()
    return drawn
