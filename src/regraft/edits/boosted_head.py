"""Boost a classical head over source and target examples."""

from typing import Annotated

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from regraft.core.config import Choice, settings
from regraft.core.labels import Labels
from regraft.edits._base import Edit
from regraft.edits._domains import source_sample, target_sample
from regraft.heads._base import ClassicalHead
from regraft.heads._boosting import Pool, tradaboost, tradaboost_r2, two_stage
from regraft.heads.logistic import Logistic
from regraft.heads.ridge import Ridge
from regraft.model import Model, Problem
from regraft.weightings._base import effective_size


@settings
class BoostedHead(Edit):
    """Fit several estimators on remembered features of both domains, each where the one before went wrong.

    Classes are boosted by TrAdaBoost, numbers by TrAdaBoost.R2; see `heads._boosting`.
    """

    head: Annotated[ClassicalHead, Choice("heads")] | None = None
    """The base learner, linear; None: logistic regression, and ridge regression for numbers."""
    rounds: Annotated[int, Field(ge=1)] = 10
    """Learners in a row."""
    target: Annotated[float, Field(gt=0)] | None = None
    """How much the target examples count together in the first round, in units of all source examples; None: 100 of
    classes, 1 of numbers."""
    stages: Annotated[int, Field(ge=0)] = 0
    """Of numbers: steps in which the source loses its weight, as in two-stage TrAdaBoost.R2; 0: none."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`.

        Raises:
            CandidateError: the source's labels say nothing of the target's, or learners on both are no better than
                chance on the target.
        """
        ours, theirs = source_sample(model, problem), target_sample(model, problem)
        numbers = problem.task.labels is Labels.NUMBERS
        head = self.head or (Ridge() if numbers else Logistic())
        rows, labels = np.concatenate([ours.features, theirs.features]), np.concatenate([ours.labels, theirs.labels])
        target = self.target or (1.0 if numbers else 100.0)
        pool = Pool(rows, labels, len(ours.labels), head, problem.task.outputs, target)
        with threadpool_limits(1 if rows.size < 10_000_000 else None, user_api="blas"):
            if not numbers:
                model.head = tradaboost(pool, self.rounds)
            elif self.stages:
                model.head = two_stage(pool, self.rounds, self.stages)
            else:
                model.head = tradaboost_r2(pool, self.rounds)
        model.notes["weights of its examples"] = _said(pool.rounds[-1])
        model.classes, model.task = problem.task.classes, problem.task
        return model


def _said(weights: np.ndarray) -> str:
    """What a model notes of the source's weights (N,) in the last round."""
    size = effective_size(weights) if weights.sum() > 0 else 0.0
    return f"boosting: effective size {size:,.0f} of {len(weights):,} in the last round"
