"""Adversarial training without dominant directions."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from regraft.core.config import settings
from regraft.methods.feature._adapted import Adapted
from regraft.terms._base import Weighted
from regraft.terms.domain_adversary import DomainAdversary
from regraft.terms.spectral_penalty import SpectralPenalty


@settings
class Bsp(Adapted):
    """Domain-adversarial training that keeps the largest singular values of the features small.

    Reference: Chen et al., Transferability vs. discriminability: batch spectral penalization for adversarial domain
    adaptation, ICML 2019, section 4.
    """

    penalty: Annotated[float, Field(ge=0)] = 1e-4
    """Weight of the penalty on singular values (the paper's beta)."""

    def adapting(self) -> Mapping[str, Weighted]:
        """See `Adapted.adapting`."""
        return {
            "adversary": Weighted(term=DomainAdversary(), weight=self.weight),
            "spectrum": Weighted(term=SpectralPenalty(), weight=self.penalty),
        }
