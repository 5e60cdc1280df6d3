"""Labels that are also a little of the classes that are alike."""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term
from regraft.terms._label_relations import alike, direct, named_alike, probabilities


@settings
class SoftLabels(Term):
    """Cross-entropy with targets that fall off with the distance between classes.

    The target of class A is softmax(-sharpness * (1 - similarity)) over all classes.
    Reference: Bertinetto et al., Making better mistakes: leveraging class hierarchies with deep networks, CVPR 2020,
    section 3.2 (there the distance is that in a hierarchy).
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    similarity: Literal["source", "names"] = "source"
    """``source``: of the source's mean answers for the examples of two classes; ``names``: of the letters in names."""
    sharpness: Annotated[float, Field(gt=0)] = 10.0
    """How fast targets fall off (the paper's beta); large values give plain labels."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            CandidateError: the similarity is the source's, which has no head of classes.
        """
        train = problem.target.train
        if self.similarity == "names":
            near = named_alike(train.classes)
        else:
            near = alike(direct(probabilities(problem), train.labels, len(train.classes)))
        return _SoftLabels(soft(torch.from_numpy(near).float(), self.sharpness))


def soft(similarity: Tensor, sharpness: float) -> Tensor:
    """Targets (K, K), one row a class, from similarities (K, K); a class is at distance 0 from itself."""
    far = (1 - similarity) * (1 - torch.eye(len(similarity)))
    return (-sharpness * far).softmax(1)


class _SoftLabels(Bound):
    targets: Tensor

    def __init__(self, targets: Tensor) -> None:
        super().__init__()
        self.register_buffer("targets", targets)

    def forward(self, round_: Round) -> Tensor:
        view = round_.view(Stream.TARGET)
        return F.cross_entropy(view.outputs.float(), self.targets[view.targets])
