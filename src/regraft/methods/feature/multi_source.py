"""Several sources, each aligned with the target by itself."""

from typing import Annotated

from regraft.alignments import coral
from regraft.alignments._base import Alignment
from regraft.core.config import Choice, settings
from regraft.edits.align_features import AlignFeatures
from regraft.edits.freeze import Freeze
from regraft.methods.feature._aligned import AlignedFeatures
from regraft.model import Problem
from regraft.training import Phase


@settings
class MultiSource(AlignedFeatures):
    """Align each domain of the source ``data:A+data:B`` by itself, fit a head for each, and mix what they answer.

    The weights of the mixture are learned on the labelled target, or where there is none so that near examples get the
    same answer. A source of one domain is aligned as any other.
    Reference: Breiman, Stacked regressions, Machine Learning 1996; Chattopadhyay et al., Multisource domain adaptation
    and its application to early detection of fatigue, TKDD 2012, eq. 5.
    """

    alignment: Annotated[Alignment, Choice("alignments")] = coral.Coral()
    """How the features of each domain and of the target are brought together."""

    def phases(self, problem: Problem) -> tuple[Phase, ...]:
        """See `Method.phases`."""
        align = AlignFeatures(alignment=self.alignment, head=self.head, apart=True)
        return (Phase(edits=(Freeze(), align)),)
