"""Utility on labelled target examples that were set aside."""

from typing import ClassVar

import torch

from regraft.core.config import settings
from regraft.features import forward
from regraft.model import Model, Problem
from regraft.selectors._base import Selector


@settings
class TargetValidation(Selector):
    """Mean utility on `Domain.validation`."""

    labels: ClassVar[str] = "labelled target examples set aside from training"

    def __call__(self, model: Model, problem: Problem) -> float:
        """See `Selector.__call__`.

        Raises:
            ValueError: nothing was set aside.
        """
        kept = problem.target.validation
        if kept is None:
            raise ValueError("the target has no validation examples")
        outputs = forward(model, kept, problem.backbone.preprocess, problem.memory.runtime)
        predictions = problem.task.predict(torch.from_numpy(outputs)).numpy()
        return float(problem.task.utility(predictions, kept.labels).mean())
