"""Which task labels ask for: the one place that decides."""

import numpy as np

from regraft.data.examples import Examples
from regraft.tasks._base import Task
from regraft.tasks.classification import Classification
from regraft.tasks.regression import Regression


def task_for(examples: Examples, balanced: bool = True) -> Task:
    """The task of labelled examples: regression for numbers, else classification.

    ``balanced``: weigh the classes alike, however many examples they have.
    """
    if not examples.numeric:
        counts = tuple(examples.counts().values()) if balanced else ()
        return Classification(classes=examples.classes, counts=counts)
    assert examples.labels is not None
    deviation = float(np.std(examples.labels))
    return Regression(mean=float(np.mean(examples.labels)), deviation=deviation if deviation > 0 else 1.0)
