"""How much farther examples are from the other sample than from their own."""

import torch
from torch import Tensor

from regraft.core.config import settings
from regraft.divergences._pairs import Pairs


@settings
class Energy(Pairs):
    """Energy distance 2 E|x - y| - E|x - x'| - E|y - y'|; in [0, inf), in units of distance.

    Zero only where the distributions are the same. It is MMD for the kernel -|x - y|,
    which has no bandwidth.

    Reference: Székely and Rizzo, Energy statistics: a class of statistics based on distances, JSPI 2013, eq. 1 and 6.
    """

    def kernel(self, rows: Tensor) -> Tensor:
        """See `Pairs.kernel`."""
        # Exact differences: by products, equal rows would seem apart, and the root would enlarge that.
        return -torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
