"""The contract of selectors: which weights to keep, and which labels that reads."""

from abc import ABC, abstractmethod
from typing import ClassVar

from regraft.model import Model, Problem


class Selector(ABC):
    """Options of a rule that scores the weights at one step; the best are kept."""

    labels: ClassVar[str]
    """Which labels the rule reads, in words; printed in every report."""

    @abstractmethod
    def __call__(self, model: Model, problem: Problem) -> float:
        """A score of the model as it is; higher is better."""
