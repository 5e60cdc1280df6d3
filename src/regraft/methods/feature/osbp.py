"""Open-set domain adaptation by backpropagation."""

from collections.abc import Mapping
from typing import ClassVar

from regraft.core.config import settings
from regraft.core.labels import Labels
from regraft.methods.feature._adapted import Adapted
from regraft.terms._base import Weighted
from regraft.terms.unknown_adversary import UnknownAdversary


@settings
class Osbp(Adapted):
    """Adapt to a target with one class for all that the source does not know; the model may answer with that class.

    Without labels of the target, its class that the source does not name is taken for it.
    Reference: Saito et al., Open set domain adaptation by backpropagation, ECCV 2018, section 3.
    """

    labels: ClassVar[frozenset[Labels]] = frozenset({Labels.CLASSES})
    opens: ClassVar[bool] = True

    def adapting(self) -> Mapping[str, Weighted]:
        """See `Adapted.adapting`. The source's own loss is in it, over its classes and the unknown one."""
        return {"source": Weighted(term=UnknownAdversary(adversary=self.weight))}
