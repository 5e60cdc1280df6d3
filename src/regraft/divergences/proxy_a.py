"""How well a line tells the domains apart."""

from typing import ClassVar

from torch import Tensor

from regraft.core.config import settings
from regraft.divergences._base import Divergence
from regraft.divergences._classifier import told_apart


@settings
class ProxyA(Divergence):
    """Proxy A-distance 2 (1 - 2 error) of a linear domain classifier: the H-divergence, estimated; in [0, 2].

    0: no better than chance; 2: told apart without error. The error is of examples that the classifier has not seen.

    Reference: Ben-David et al., Analysis of representations for domain adaptation, NIPS 2006, section 4, with the
    error halved on both domains alike.
    """

    differentiable: ClassVar[bool] = False

    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance between ``a`` (N, D) and ``b`` (M, D), a scalar."""
        return told_apart(a, b)
