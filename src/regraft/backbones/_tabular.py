"""The small network for rows of a table."""

from torch import nn

from regraft.backbones._base import Network

_HIDDEN = 128
_DROPPED = 0.1


def perceptron(width: int) -> Network:
    """Two hidden layers over ``width`` inputs: (B, ``width``) to (B, 128).

    Without normalisation: the statistics of batches of a few rows would be mostly noise.
    """
    stages = [nn.Sequential(nn.Linear(before, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPPED)) for before in (width, _HIDDEN)]
    return Network(stages, _HIDDEN)
