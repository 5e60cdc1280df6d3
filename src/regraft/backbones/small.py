"""A small convolutional network that trains from nothing in seconds."""

from math import log2
from pathlib import Path

from torch import nn

from regraft.backbones._base import Backbone, Network, Preprocess
from regraft.core.config import settings
from regraft.core.errors import UserError, unknown

_STEM = 32
_WIDEST = 128
_LAST_MAP = 4  # pixels on a side of the deepest convolution's map, whatever the input


@settings
class Small(Backbone):
    """Three convolutions (one more for each doubling of the input above 32 pixels), pooled to a grid of 2 x 2.

    The grid keeps some of where things are, which tiny pictures need: on 8 x 8 digits it is worth 0.7 points over a
    global average. Every convolution is followed by batch norm.
    """

    arch: str = "conv"
    """The architecture; ``conv`` is the only one."""
    weights: Path | None = None
    """A file of trained weights: none exists for these networks, which start at random."""
    size: int = 16
    """Pixels on a side of the input: 8 to 16 for characters, 64 for photographs."""

    @property
    def preprocess(self) -> Preprocess:
        """Pictures of ``size`` pixels, scaled to [-1, 1]."""
        return Preprocess(size=self.size)

    def build(self, pretrained: bool = True) -> Network:
        """The network, randomly initialised from torch's generator whether ``pretrained`` or not.

        Stages map (B, 3, size, size) to feature maps of 32, 64, 128 and more times 128 channels, then to (B, 512).

        Raises:
            UserError: an unknown architecture, a size below 8, or a file of weights.
        """
        self._check()
        halvings = max(1, round(log2(self.size / _LAST_MAP)))
        strided = halvings > 1
        stages: list[nn.Module] = [_convolution(3, _STEM, kernel=5, stride=2) if strided else _convolution(3, _STEM)]
        width, pools = _STEM, halvings - strided
        for depth in range(max(2, pools)):
            wider = min(2 * width, _WIDEST)
            stage = _convolution(width, wider)
            if depth < pools:
                stage.append(nn.MaxPool2d(2))
            stages.append(stage)
            width = wider
        stages.append(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()))
        return Network(stages, feature_dim=4 * width)

    def _check(self) -> None:
        if self.arch != "conv":
            raise unknown("architecture of small", self.arch, ["conv"])
        if self.size < 8:
            raise UserError(f"small networks need pictures of at least 8 pixels on a side, got size {self.size}")
        if self.weights is not None:
            raise UserError(f"small networks have no file of weights, got {self.weights}; give a run instead")


def _convolution(width: int, wider: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, wider, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(wider),
        nn.ReLU(inplace=True),
    )
