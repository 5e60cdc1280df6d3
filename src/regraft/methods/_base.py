"""The contract of methods: a named list of phases."""

from abc import ABC, abstractmethod
from dataclasses import fields, replace
from enum import StrEnum
from typing import ClassVar, Self

from regraft.core.labels import Labels
from regraft.model import Problem
from regraft.training import Phase


class Need(StrEnum):
    """What must be at hand, beyond labelled target examples, for a method to run."""

    SOURCE_MODEL = "a trained source model"
    SOURCE_DATA = "labelled source data"
    UNLABELED = "unlabelled target examples"


class Method(ABC):
    """Options of a method. Those that descend have a field ``descent``, whose ``steps`` are shared among the phases."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.SOURCE_MODEL})
    """What must be at hand."""
    uses: ClassVar[frozenset[Need]] = frozenset()
    """What it learns from too, where that is at hand."""
    labels: ClassVar[frozenset[Labels]] = frozenset(Labels)
    """What it can predict; nothing: it makes a source out of unlabelled examples."""
    kinds: ClassVar[frozenset[str]] = frozenset({"image", "audio", "text", "table", "vector"})
    """Kinds of examples that it can learn from."""
    cost: ClassVar[float] = 1.0
    """Time of a step relative to plain fine-tuning, roughly: the race plans with it."""
    raced: ClassVar[bool] = True
    """Whether `run` tries it when no method is named: one of each sort is enough to find what helps."""
    blind: ClassVar[bool] = False
    """Whether it can do without any label of the target."""
    raced_blind: ClassVar[bool] = False
    """Whether `run` without labels tries it when no method is named."""
    opens: ClassVar[bool] = False
    """Whether, without labels, it can do with a source that lacks a class of the target."""
    tunes: ClassVar[bool] = True
    """Whether the method trains weights of the backbone, so that one without any that learn is of no use to it."""

    batch_norm: ClassVar[bool] = False
    """Whether it works through batch normalisation, so that a network without any is of no use to it."""

    @abstractmethod
    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """The phases for ``problem``. Reads the problem, trains nothing."""

    @property
    def descends(self) -> bool:
        """Whether the method trains by descent, so that steps cost time."""
        return any(f.name == "descent" for f in fields(self))  # type: ignore[arg-type]

    def with_steps(self, steps: int) -> Self:
        """The same method with ``steps`` steps in all."""
        if not self.descends:
            return self
        return replace(self, descent=replace(self.descent, steps=steps))  # type: ignore[type-var, attr-defined]
