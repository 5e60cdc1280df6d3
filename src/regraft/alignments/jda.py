"""Joint distribution adaptation."""

from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.alignments._components import contrasts
from regraft.alignments._joint import Joint
from regraft.core.config import settings


@settings
class Jda(Joint):
    """Transfer components along which also the means of each class agree, by pseudo-labels of the target.

    Reference: Long, Wang, Ding, Sun and Yu, Transfer feature learning with joint distribution adaptation, ICCV 2013,
    eq. 8 and algorithm 1.
    """

    marginal: Annotated[float, Field(ge=0)] | None = 1.0
    """Weight of the means of all beside those of one class; None: as many as there are classes, as the authors have."""

    def disagreements(self, z: np.ndarray | None, labels: np.ndarray, guess: np.ndarray) -> np.ndarray:
        """See `Joint.disagreements`."""
        return contrasts(labels, guess, len(np.unique(labels[labels >= 0])) if self.marginal is None else self.marginal)
