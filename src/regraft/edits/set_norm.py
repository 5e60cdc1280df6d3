"""Which statistics batch normalisation uses in training."""

from regraft.core.config import settings
from regraft.edits._base import Edit
from regraft.model import Model, Problem


@settings
class SetNorm(Edit):
    """Keep the stored statistics of batch normalisation in training, or use and update those of the batch."""

    frozen: bool | None = None
    """True: stored; False: of the batch; None: as measured on this source and target (`Problem.frozen_norm`)."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`."""
        model.frozen_norm = problem.frozen_norm if self.frozen is None else self.frozen
        return model
