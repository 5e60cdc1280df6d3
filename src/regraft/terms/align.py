"""A divergence between two streams."""

from typing import Annotated, ClassVar

from torch import Tensor

from regraft.core import catalog
from regraft.core.batch import Stream
from regraft.core.config import Choice, settings
from regraft.core.errors import UserError
from regraft.divergences._base import Divergence
from regraft.divergences.coral import Coral
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term


@settings
class Align(Term):
    """A divergence between what the model makes of the source and of the unlabelled target.

    Reference: Sun and Saenko, Deep CORAL, ECCV Workshops 2016, eq. 6 (on outputs); Long et al., Learning transferable
    features with deep adaptation networks, ICML 2015, eq. 4 (on features).
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.SOURCE, Stream.UNLABELED})
    divergence: Annotated[Divergence, Choice("divergences")] = Coral()
    """The distance to shrink."""
    layer: str = "features"
    """Where it is measured: ``features`` or ``outputs``."""

    def __post_init__(self) -> None:
        if not self.divergence.differentiable:
            able = [n for n in catalog.names("divergences") if catalog.find("divergences", n).differentiable]
            name = catalog.name_of(type(self.divergence))
            raise UserError(f"nothing can descend on the divergence {name!r}; take one of {', '.join(able)}")

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _Align(self)


class _Align(Bound):
    def __init__(self, options: Align) -> None:
        super().__init__()
        self.options = options

    def forward(self, round_: Round) -> Tensor:
        source, target = (round_.view(stream) for stream in (Stream.SOURCE, Stream.UNLABELED))
        a, b = getattr(source, self.options.layer), getattr(target, self.options.layer)
        return self.options.divergence(a, b)
