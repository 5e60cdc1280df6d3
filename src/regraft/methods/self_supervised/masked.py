"""Masked modelling: predict the hidden part of an example from the rest."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.methods._base import Method, Need
from regraft.methods.self_supervised._phase import learning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms.reconstruct import Reconstruct
from regraft.training import Phase


@settings
class Masked(Method):
    """Hide patches of pictures, or tokens of texts, and learn to predict them.

    Reference: He et al., Masked autoencoders are scalable vision learners, CVPR 2022 (pictures); Devlin et al., BERT:
    pre-training of deep bidirectional transformers for language understanding, NAACL 2019 (texts).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.UNLABELED})
    labels: ClassVar[frozenset[Labels]] = frozenset()
    kinds: ClassVar[frozenset[str]] = frozenset({"image", "text"})
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """How much is hidden; None: half of a picture, 15% of a text."""
    descent: Descent = Descent(rate=3e-3, batch_size=64, average=0.99)
    """How to train; from weights that know something, at a third of the rate."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        return learning(Reconstruct(share=self.share), self.descent, problem)
