"""The contract of edits: model to model, outside the loop."""

from abc import ABC, abstractmethod
from typing import Annotated

from regraft.core.config import Choice
from regraft.model import Model, Problem


class Edit(ABC):
    """Options of one change to a model."""

    @abstractmethod
    def apply(self, model: Model, problem: Problem) -> Model:
        """Change ``model`` in place and return it. Random draws come from torch's generator, which is seeded."""


AnyEdit = Annotated[Edit, Choice("edits")]
