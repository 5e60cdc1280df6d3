"""A small convolutional network of our own."""

from math import log2

from torch import nn

from regraft.backbones._base import Network

_STEM = 32
_WIDEST = 128
_LAST_MAP = 4  # pixels on a side of the deepest convolution's map, whatever the input


def convolutions(size: int, channels: int) -> Network:
    """A network of pictures, each convolution with batch norm.

    Stages map (B, channels, size, size) to maps of 32, 64, 128 and more times 128 channels, then to (B, 512).
    """
    halvings = max(1, round(log2(size / _LAST_MAP)))
    strided = halvings > 1
    stages: list[nn.Module] = [_convolution(channels, _STEM, 5, 2) if strided else _convolution(channels, _STEM)]
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


def _convolution(width: int, wider: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, wider, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(wider),
        nn.ReLU(inplace=True),
    )
