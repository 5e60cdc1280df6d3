"""Fit a classical head on weighted source examples and on labelled target examples."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.edits._base import Edit
from regraft.edits._domains import Sample, read, source_sample, target_sample
from regraft.heads._base import ClassicalHead
from regraft.heads._layers import through
from regraft.heads.logistic import Logistic
from regraft.heads.ridge import Ridge
from regraft.model import Model, Problem
from regraft.terms._weights import weigh
from regraft.weightings._base import Weighting


@settings
class WeightedHead(Edit):
    """Fit an estimator on remembered features: the source's examples, weighted, and the labelled target's.

    Weights follow the unlabelled target examples, or the labelled ones where there are no others. Source examples of
    classes that the target does not name are left out.
    """

    weighting: Annotated[Weighting, Choice("weightings")] | None = None
    """How much each source example counts; None: all alike."""
    head: Annotated[ClassicalHead, Choice("heads")] | None = None
    """The estimator; None: logistic regression, and ridge regression for numbers."""
    target: Annotated[float, Field(gt=0)] = 100.0
    """How much the labelled target examples count together, in units of all source examples."""
    misleading: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the source examples left out at most: those that a head of the target alone gets most surely wrong.

    Of classes; where there is no labelled target example, none is.
    """

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`.

        Raises:
            CandidateError: the source's labels say nothing of the target's.
        """
        ours, theirs = source_sample(model, problem), target_sample(model, problem)
        numbers = problem.task.labels is Labels.NUMBERS
        head = self.head or (Ridge() if numbers else Logistic())
        with threadpool_limits(1 if ours.features.size < 10_000_000 else None, user_api="blas"):
            if self.misleading and len(theirs.labels):
                kept = ~_misleading(ours, theirs, (head, problem.task.outputs), self.misleading)
                model.notes["source examples left out"] = f"{(~kept).sum():,} of {len(kept):,}, which mislead"
                ours = Sample(ours.features[kept], ours.labels[kept])
            # Weights say how much each class counts; without any, classes count alike.
            if self.weighting is None:
                weights = np.ones(len(ours.labels)) if numbers else compute_sample_weight("balanced", ours.labels)
            else:
                other = theirs.features if (some := problem.target.unlabeled) is None else read(some, model, problem)
                weights = weigh(model, self.weighting, ours.features, other, ours.labels)
            each = self.target * len(weights) / max(len(theirs.labels), 1)
            counts = np.concatenate([weights, np.full(len(theirs.labels), each)])
            rows, labels = (np.concatenate(pair) for pair in zip(_pair(ours), _pair(theirs), strict=True))
            model.head = head.fit(rows, labels, problem.task.outputs, counts / counts.mean())
        model.classes, model.task = problem.task.classes, problem.task
        return model


def _pair(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    return sample.features, sample.labels


def _misleading(ours: Sample, theirs: Sample, head: tuple[ClassicalHead, int], most: float) -> np.ndarray:
    """The source examples (N,) that a head of the target gets wrong, the surest mistakes first."""
    layer = head[0].fit(theirs.features, theirs.labels, head[1])
    found = through(layer.double(), ours.features)
    lead = found.max(1) - found[np.arange(len(found)), ours.labels]
    surest = np.argsort(-lead, kind="stable")[: int(most * len(lead))]
    wrong = np.zeros(len(lead), dtype=bool)
    wrong[surest] = lead[surest] > 0
    return wrong
