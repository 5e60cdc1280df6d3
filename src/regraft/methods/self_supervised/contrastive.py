"""Contrastive learning: two views of an example are alike, and unlike those of all others."""

from typing import Annotated, ClassVar

from pydantic import Field

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.methods._base import Method, Need
from regraft.methods.self_supervised._phase import learning
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms.contrast import Contrast
from regraft.training import Phase


@settings
class Contrastive(Method):
    """SimCLR: the two views are random variants of a picture or recording; of a text they differ by dropout only.

    Reference: Chen et al., A simple framework for contrastive learning of visual representations, ICML 2020; of texts:
    Gao et al., SimCSE: simple contrastive learning of sentence embeddings, EMNLP 2021.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.UNLABELED})
    labels: ClassVar[frozenset[Labels]] = frozenset()
    kinds: ClassVar[frozenset[str]] = frozenset({"image", "audio", "text"})
    cost: ClassVar[float] = 2.0
    temperature: Annotated[float, Field(gt=0)] | None = None
    """Of `Contrast`; None: 1, and 0.05 for texts, as in the paper on these."""
    descent: Descent = Descent(rate=3e-3, batch_size=64, average=0.99)
    """How to train; from weights that know something, at a third of the rate."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        usual = 0.05 if problem.backbone.preprocess.kind == "text" else 1.0
        return learning(Contrast(temperature=self.temperature or usual), self.descent, problem)
