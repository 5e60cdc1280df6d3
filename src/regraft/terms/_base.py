"""The contract of terms: one summand of the objective, inside the loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from regraft.core.batch import Batch, Stream, View
from regraft.core.config import Choice, settings
from regraft.model import Model, Problem, untracked, watched


class Round:
    """One step of training as terms see it; each stream is forwarded at most once, when first asked for.

    ``progress`` in [0, 1) is the share of the phase that is done; ``watches``: streams whose layers terms read.
    """

    def __init__(
        self,
        model: Model,
        batches: Mapping[Stream, Batch],
        progress: float,
        watches: frozenset[Stream] = frozenset(),
    ) -> None:
        self.model, self.batches, self.progress, self.watches = model, batches, progress, watches
        self._views: dict[Stream, View] = {}
        self._layers: dict[Stream, list[tuple[nn.Module, Tensor]]] = {}

    def view(self, stream: Stream) -> View:
        """Features and outputs of ``stream``. Streams are forwarded apart: each has its own batch statistics.

        Beside a target stream the source's statistics are not stored: the model is to be used on the target.
        """
        if stream not in self._views:
            foreign = stream is Stream.SOURCE and len(self.batches) > 1
            with ExitStack() as during:
                if foreign:
                    during.enter_context(untracked(self.model))
                if stream in self.watches:
                    self._layers[stream] = during.enter_context(watched(self.model.backbone))
                self._views[stream] = self.model.view(self.batches[stream])
        return self._views[stream]

    def layers(self, stream: Stream) -> list[tuple[nn.Module, Tensor]]:
        """The layers of the backbone that ``stream`` went through, and what each made of it: see `model.watched`."""
        assert stream in self.watches, "a term that reads layers says of which streams: see `Term.watches`"
        self.view(stream)
        return self._layers[stream]


class Bound(nn.Module, ABC):
    """A term fixed to one model. Its parameters train and are saved with the model's, and dropped after the phase."""

    @abstractmethod
    def forward(self, round_: Round) -> Tensor:
        """The value of the term at this step, a scalar, before weighting."""


class Term(ABC):
    """Options of one summand of the objective."""

    streams: ClassVar[frozenset[Stream]] = frozenset()
    """Streams that a step must draw for this term, where its options do not change them."""

    @property
    def needs(self) -> frozenset[Stream]:
        """Streams that a step must draw for this term."""
        return self.streams

    @property
    def watches(self) -> frozenset[Stream]:
        """Those of which it reads what each layer puts out (`Round.layers`); a step keeps it for these only."""
        return frozenset()

    @abstractmethod
    def bind(self, model: Model, problem: Problem) -> Bound:
        """Fix the term to a model. Called once per phase, after the edits and before the first step."""


@settings
class Weighted:
    """A term times a weight that may grow over the phase."""

    term: Annotated[Term, Choice("terms")]
    """What is added to the objective."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight at the end of the ramp."""
    ramp: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the phase over which the weight grows linearly from zero."""

    def at(self, progress: float) -> float:
        """The weight at ``progress`` in [0, 1)."""
        return self.weight * (min(1.0, progress / self.ramp) if self.ramp else 1.0)
