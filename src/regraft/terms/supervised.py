"""The task's own loss."""

from torch import Tensor, nn

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.tasks._choice import task_for
from regraft.terms._base import Bound, Round, Term


@settings
class Supervised(Term):
    """The task's loss on a labelled stream.

    On the source stream the target's head is shared when both domains name the same classes or labels, or the same
    number; otherwise the source gets a head of its own, which is dropped after the phase.
    """

    stream: Stream = Stream.TARGET
    """The labelled examples to learn from: ``target`` or ``source``."""

    @property
    def needs(self) -> frozenset[Stream]:
        """See `Term.needs`."""
        return frozenset({self.stream})

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        if self.stream is Stream.TARGET or problem.source is None:
            return _Supervised(self.stream, problem.task, None)
        source, target = problem.source.train.examples, problem.target.train.examples
        same = source.label == target.label or not source.numeric
        if source.classes == model.classes and source.labelling is target.labelling and same:
            return _Supervised(self.stream, problem.task, None)
        own = task_for(source, balanced=False)
        return _Supervised(self.stream, own, own.build_head(model.backbone.feature_dim))


class _Supervised(Bound):
    def __init__(self, stream: Stream, task: object, head: nn.Module | None) -> None:
        super().__init__()
        self.stream, self.task, self.head = stream, task, head

    def forward(self, round_: Round) -> Tensor:
        view = round_.view(self.stream)
        outputs = view.outputs if self.head is None else self.head(view.features)
        return self.task.loss(outputs, view.targets)  # type: ignore[attr-defined]
