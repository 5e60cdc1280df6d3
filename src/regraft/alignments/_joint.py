"""Transfer components found in rounds, each with pseudo-labels from the round before."""

from abc import abstractmethod
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from regraft.alignments._base import Aligned
from regraft.alignments._components import Components, frobenius, unit
from regraft.core.config import Choice, settings
from regraft.heads._base import ClassicalHead
from regraft.heads._kernels import places
from regraft.heads._layers import through
from regraft.heads.knn import Knn

_TAUGHT = 10_000


@settings
class Joint(Components):
    """Options of alignments that give the unlabelled target pseudo-labels, round after round.

    Labels of the target that are known are kept and teach too; a round whose pseudo-labels did not change is the last.
    Beyond ten thousand source examples, that many of them give pseudo-labels.
    """

    labelled: ClassVar[bool] = True
    rounds: Annotated[int, Field(ge=1)] = 10
    """How often at most."""
    head: Annotated[ClassicalHead, Choice("heads")] = Knn(neighbours=1)
    """What gives pseudo-labels."""

    def align(self, source: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> Aligned:
        """See `Alignment.align`."""
        before, x = self.prepared(source, target)
        space = self.space(x, len(source))
        centred = space.rows - space.rows.mean(0)
        scatter, guess, z = centred.T @ centred, target_labels, None
        for _ in range(self.rounds):
            rows = self.disagreements(z, labels, guess)
            weight = self.least(scatter, rows @ space.rows, frobenius(rows), space.cost)
            z = (space.rows - space.origin) @ weight
            z = through(unit(z.shape[1]), z) if self.unit else z
            found = pseudo_labels(self.head, z, labels, target_labels)
            if (found == guess).all():
                break
            guess = found
        return self.finished(before, space, weight)

    @abstractmethod
    def disagreements(self, z: np.ndarray | None, labels: np.ndarray, guess: np.ndarray) -> np.ndarray:
        """Rows e (C, N) of differences that should vanish; ``z`` (N, E): components of the round before, if any."""


def pseudo_labels(head: ClassicalHead, z: np.ndarray, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Classes (M,) of the target: those ``known``, and where that is -1 what ``head`` says, fitted on all labels.

    ``z`` (N, E): rows of the source and then of the target.
    """
    both = np.concatenate([labels, known])
    taught = np.flatnonzero(both >= 0)
    taught = taught[places(z[taught], _TAUGHT)]
    layer = head.fit(z[taught], both[taught], int(both.max()) + 1)
    found = through(layer.double(), z[len(labels) :]).argmax(1)
    return np.where(known >= 0, known, found)
