"""Optimal transport along many lines."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.config import settings
from regraft.core.seeding import derive
from regraft.divergences._base import Divergence


@settings
class SlicedWasserstein(Divergence):
    """Squared 2-Wasserstein distance of the samples projected on a line, the mean over random lines; in [0, inf).

    The lines are the same in every call, so that values can be compared. In units of squared distance, over D where the
    shift is the same in all directions.

    Reference: Bonneel et al., Sliced and Radon Wasserstein barycenters of measures, JMIV 2015, eq. 5 and section 4.
    """

    lines: Annotated[int, Field(ge=1, le=100_000)] = 128
    """Number of lines."""

    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance between ``a`` (N, D) and ``b`` (M, D), a scalar."""
        centre = torch.cat([a, b]).mean(0).detach()
        generator = torch.Generator().manual_seed(derive(0, "sliced_wasserstein"))
        lines = torch.randn(a.shape[1], self.lines, generator=generator, dtype=torch.float64).to(a)
        lines = lines / lines.norm(dim=0)
        first, second = (((x - centre) @ lines).sort(dim=0).values for x in (a, b))
        n, m = len(a), len(b)
        # Both quantile functions are steps: they jump at i / n and at j / m, counted in units of 1 / (n m).
        ends = torch.cat([m * torch.arange(1, n + 1), n * torch.arange(1, m + 1)]).unique()
        widths = ends.diff(prepend=ends.new_zeros(1)).to(a) / (n * m)
        apart = first[((ends - 1) // m).to(a.device)] - second[((ends - 1) // n).to(a.device)]
        return (widths[:, None] * apart.square()).sum(0).mean()
