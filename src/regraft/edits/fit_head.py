"""A classical head on frozen features."""

from typing import Annotated

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from regraft.core.config import Choice, settings
from regraft.edits._base import Edit
from regraft.features import features
from regraft.heads._base import ClassicalHead
from regraft.heads.logistic import Logistic
from regraft.model import Model, Problem

_LARGE = 10_000_000
"""Numbers in the features from which a fit gains from all processors."""


@settings
class FitHead(Edit):
    """Fit a classical estimator on the remembered features of the labelled target and make it the head."""

    head: Annotated[ClassicalHead, Choice("heads")] = Logistic()
    """The estimator: ``logistic``, ``svm`` or, for numbers, ``ridge``."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`."""
        train = problem.target.train
        x = features(model.backbone, train, problem.backbone.preprocess, problem.memory)
        # Threads that wait for each other at every small product cost more than they save: 50 times on a busy machine.
        with threadpool_limits(1 if x.size < _LARGE else None, user_api="blas"):
            model.head = self.head.fit(x.astype("float64"), problem.task.encode(train.labels), problem.task.outputs)
        model.classes, model.task = train.classes, problem.task
        return model
