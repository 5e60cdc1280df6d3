"""A target with examples of no class that the source knows."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.data.names import shared
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._domains import BOTH, require_classes, reverse, warming


@settings
class UnknownAdversary(Term):
    """The source's own loss, and for target examples that of being unknown with a given probability, p.

    The head learns to say p of each target example; the features, to which the gradient of that loss comes reversed,
    make the probability of being unknown anything else: small for what looks like a known class, large for the rest.
    Unknown is the one class of the target that the source does not name. Where it names all, nothing is unknown, and
    the source's loss remains; source examples of classes that the target lacks are left out.

        L(x) = -p log q(unknown | x) - (1 - p) log(1 - q(unknown | x)), the mean over the batch

    The paper reverses all of the gradient from the first step; here the share grows over the phase, as in the other
    adversaries.
    Reference: Saito et al., Open set domain adaptation by backpropagation, ECCV 2018, eq. 1 to 4.
    """

    streams: ClassVar[frozenset[Stream]] = BOTH
    adversary: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the loss of target examples."""
    boundary: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The probability p (the paper's t)."""
    reversal: Annotated[float, Field(ge=0)] = 1.0
    """Weight of that loss for the features, reversed, at the end of the phase."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the labels are not classes, or the source lacks more than one class of the target.
        """
        require_classes(problem)
        ours, theirs = problem.task.classes, problem.examples(Stream.SOURCE).classes
        named = shared(ours, theirs)
        others = [place for place in range(len(ours)) if place not in named]
        if len(others) > 1:
            raise CandidateError(
                f"the source names other classes: one of the target may be unknown to it, and these are "
                f"{', '.join(ours[place] for place in others)}; give what is unknown one name"
            )
        model.notes["unknown"] = ours[others[0]] if others else "nothing: the source names all classes of the target"
        places = torch.full((len(theirs),), -1)
        places[list(named.values())] = torch.tensor(list(named))
        return _UnknownAdversary(self, problem, places, others[0] if others else None)


class _UnknownAdversary(Bound):
    places: Tensor

    def __init__(self, options: UnknownAdversary, problem: Problem, places: Tensor, unknown: int | None) -> None:
        super().__init__()
        self.options, self.task, self.unknown = options, problem.task, unknown
        self.register_buffer("places", places)

    def forward(self, round_: Round) -> Tensor:
        source, target = (round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED))
        assert source.targets is not None
        targets = self.places[source.targets]
        known = targets >= 0
        own = self.task.loss(source.outputs[known], targets[known]) if known.any() else source.outputs.sum() * 0
        if self.unknown is None:
            return own
        factor = self.options.reversal * warming(round_.progress)
        logits = round_.model.head(reverse(target.features, factor)).float()
        others = torch.cat([logits[:, : self.unknown], logits[:, self.unknown + 1 :]], 1).logsumexp(1)
        p, total = self.options.boundary, logits.logsumexp(1)
        told = -(p * (logits[:, self.unknown] - total) + (1 - p) * (others - total)).mean()
        return own + self.options.adversary * told
