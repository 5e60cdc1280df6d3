"""Balanced distribution adaptation."""

from typing import Annotated

import numpy as np
from pydantic import Field

from regraft.alignments._balance import balance
from regraft.alignments._components import contrasts, means
from regraft.alignments._joint import Joint
from regraft.core.config import settings


@settings
class Bda(Joint):
    """As JDA, with weights of the marginal and of the conditional part that add up to one.

    Reference: Wang, Chen, Hao, Feng and Shen, Balanced distribution adaptation for transfer learning, ICDM 2017, eq. 7.
    The paper searches the balance; it is estimated here, as in the authors' later work (`_balance`), since a search
    would take labels.
    """

    balance: Annotated[float, Field(ge=0, le=1)] | None = None
    """Weight of the conditional part; None: estimated in each round, and none before there are pseudo-labels."""

    def disagreements(self, z: np.ndarray | None, labels: np.ndarray, guess: np.ndarray) -> np.ndarray:
        """See `Joint.disagreements`."""
        if z is None:
            return means(len(labels), len(guess))
        found = self.balance
        if found is None:
            found = balance(z[: len(labels)], labels, z[len(labels) :], guess)
        return contrasts(labels, guess, 1 - found, found)
