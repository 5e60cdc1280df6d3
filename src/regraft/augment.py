"""Random changes to training pictures that leave their label alone."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from regraft.core.config import settings
from regraft.core.seeding import derive

_DRAWS = 9


@settings
class Augment:
    """How strongly pictures are varied in training. Geometry is one affine map; no flips unless asked for.

    A mirrored letter is another letter, a mirrored bird is a bird: only the user knows, so ``flip`` is off.
    """

    shift: Annotated[float, Field(ge=0)] = 0.08
    """Largest shift, as a share of the side."""
    rotate: Annotated[float, Field(ge=0)] = 15.0
    """Largest rotation, in degrees."""
    zoom: Annotated[float, Field(ge=0)] = 0.2
    """Largest change of size, as a share."""
    shear: Annotated[float, Field(ge=0)] = 0.15
    """Largest shear, as a share of the side."""
    colour: Annotated[float, Field(ge=0)] = 0.3
    """Largest change of brightness and contrast, as a share."""
    flip: bool = False
    """Mirror half of the pictures left to right."""

    def draw(self, count: int, seed: int, *purpose: object) -> Tensor:
        """Random numbers (``count``, 9) in [-1, 1) that fix the change of each of ``count`` examples."""
        generator = torch.Generator().manual_seed(derive(seed, "augment", *purpose))
        return torch.rand(count, _DRAWS, generator=generator) * 2 - 1

    def apply(self, pictures: Tensor, draws: Tensor) -> Tensor:
        """Vary ``pictures`` (B, 3, S, S) in [0, 1] as ``draws`` (B, 9) say."""
        grid = F.affine_grid(self._maps(draws), list(pictures.shape), align_corners=False)
        moved = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
        contrast, brightness = (1 + self.colour * draws[:, i].view(-1, 1, 1, 1) for i in (6, 7))
        mean = moved.mean((1, 2, 3), keepdim=True)
        return (((moved - mean) * contrast + mean) * brightness).clamp(0, 1)

    def _maps(self, draws: Tensor) -> Tensor:
        angle = draws[:, 0] * math.radians(self.rotate)
        across, down = (torch.exp(self.zoom * draws[:, i]) for i in (1, 2))
        mirror = torch.where(draws[:, 8] < 0, -1.0, 1.0) if self.flip else torch.ones_like(angle)
        top = torch.stack([mirror * across * angle.cos(), -down * (angle + self.shear * draws[:, 3]).sin()], 1)
        bottom = torch.stack([mirror * across * angle.sin(), down * angle.cos()], 1)
        shift = 2 * self.shift * draws[:, 4:6]  # the sampling grid is two units wide
        return torch.cat([torch.stack([top, bottom], 1), shift.unsqueeze(2)], 2)
