"""Pictures: cut square, scaled, normalised."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from regraft.augment import Augment
from regraft.core.config import settings
from regraft.data.images import decode
from regraft.preprocessing._base import Preprocess


@settings
class Images(Preprocess):
    """The short side resized to ``size``, the centre cut out square, scaled to [0, 1], normalised."""

    kind: ClassVar[str] = "image"
    varies: ClassVar[bool] = True

    size: int
    """Pixels on a side."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Subtracted from each channel after scaling to [0, 1]."""
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Divides each channel after the mean is subtracted."""
    channels: int = 3
    """3: colour; 1: grey; more: as many as the pictures have, normalised as red, green and blue in turn."""
    resample: str = "bilinear"
    """How they are resized: Pillow's name of a filter."""
    share: float = 1.0
    """How much of the short side is seen."""

    @property
    def key(self) -> str:
        """See `Preprocess.key`."""
        usual = (self.resample, self.share) == ("bilinear", 1.0)
        cut = "" if usual else f"-{self.resample}-{self.share:.4f}"
        return f"image-{self.size}" + (f"-{self.channels}" if self.channels != 3 else "") + cut

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Preprocess.shape`."""
        return self.size, self.size, self.channels

    @property
    def described(self) -> str:
        """What it makes of pictures, in words."""
        return f"{self.size} pixels" + {1: ", grey", 3: ""}.get(self.channels, f" of {self.channels} channels")

    @property
    def dtype(self) -> np.dtype:
        """See `Preprocess.dtype`."""
        return np.dtype(np.uint8)

    def decode(self, items: Sequence[Path]) -> np.ndarray:
        """Files to pixels (N, S, S, C)."""
        return decode(items, self.size, self.channels, self.resample, self.share)

    def tensor(self, arrays: np.ndarray, augment: Augment | None = None, draws: Tensor | None = None) -> Tensor:
        """Pixels (B, S, S, C) as normalised inputs (B, C, S, S), channels last in memory."""
        x = torch.from_numpy(np.ascontiguousarray(arrays))
        top = 255.0
        if augment is not None and draws is not None:
            x, top = augment.apply(x.permute(0, 3, 1, 2).float().div_(255), draws).permute(0, 2, 3, 1), 1.0
        # On whole rows of pixels: three channels at a time would leave the processor's vector units idle.
        mean, std = self._each(self.mean), self._each(self.std)
        scale, offset = std.mul(top).reciprocal().repeat(x.shape[2]), mean.div(std).repeat(x.shape[2])
        rows = x.contiguous().flatten(2).float().mul_(scale).sub_(offset)
        return rows.view(x.shape).permute(0, 3, 1, 2)

    def sample(self, count: int) -> Tensor:
        """See `Preprocess.sample`."""
        shape = (count, self.channels, self.size, self.size)
        return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def _each(self, given: tuple[float, float, float]) -> Tensor:
        """What is ``given`` for red, green and blue, for each channel; for grey alone, their mean."""
        rgb = torch.tensor(given)
        return rgb.mean().view(1) if self.channels == 1 else rgb[torch.arange(self.channels) % 3]
