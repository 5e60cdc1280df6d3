"""The residual networks that He et al. made for pictures of 32 x 32 pixels, with shortcuts that have no parameters.

Reference: He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2, option A.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two convolutions and a shortcut; where the map shrinks, that drops pixels and pads channels with zeros."""

    def __init__(self, width, wider, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, wider, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        self.stride, self.padding = stride, (wider - width) // 2

    def forward(self, x):
        """Maps (B, width, S, S) to (B, wider, S / stride, S / stride)."""
        short = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return torch.relu(short + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class CifarResNet(nn.Module):
    """Three groups of ``blocks`` blocks with 16, 32 and 64 channels: pictures (B, 3, S, S) to scores (B, 10)."""

    def __init__(self, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(blocks)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), *(Block(32, 32, 1) for _ in range(blocks - 1)))
        self.layer3 = nn.Sequential(Block(32, 64, 2), *(Block(64, 64, 1) for _ in range(blocks - 1)))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        """Pictures to scores."""
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


def resnet20():
    """20 layers, 0.27 million parameters."""
    return CifarResNet(3)


def resnet56():
    """56 layers, 0.85 million parameters."""
    return CifarResNet(9)
