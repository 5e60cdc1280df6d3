"""A discrepancy between features and predictions together."""

from typing import ClassVar

import torch
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.divergences.mmd import Mmd
from regraft.model import Model, Problem
from regraft.tasks._base import Task
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import BOTH

_FEATURES = Mmd()
_PREDICTIONS = Mmd(bandwidth=1.68, scales=(1.0,))  # fixed, as in the authors' code: those of a new head are all alike


@settings
class JointAlign(Term):
    """Joint maximum mean discrepancy: similar are examples whose features and predictions both are.

    The kernel is the product of several Gaussian ones on features and of one on predictions (of numbers, in units of
    their deviation). It is of a whole batch,
    so it is another one when a batch is split; the mean is over all pairs, where the paper also has an estimate of
    linear cost.
    Reference: Long et al., Deep transfer learning with joint adaptation networks, ICML 2017, section 4 (joint
    maximum mean discrepancy).
    """

    streams: ClassVar[frozenset[Stream]] = BOTH

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _JointAlign(problem.task)


class _JointAlign(Bound):
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, round_: Round) -> Tensor:
        views = [round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED)]
        features = torch.cat([view.features for view in views]).float()
        outputs = torch.cat([view.outputs for view in views]).float()
        predictions = outputs if self.task.labels is Labels.NUMBERS else self.task.predict(outputs)
        with torch.autocast(features.device.type, enabled=False):
            similar = _FEATURES.kernel(features) * _PREDICTIONS.kernel(predictions.float())
            return _FEATURES.between(similar, len(views[0].features))
