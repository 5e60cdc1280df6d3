"""Which sizes of input are worth a try, where a network does not say what it was made for."""

from collections.abc import Callable

import torch
from torch import Tensor

USUAL = (32, 64, 96, 128, 160, 192, 224)
"""Pixels on a side that networks which take any size were usually made for."""
_FIXED = (
    8, 16, 20, 24, 28, 32, 40, 48, 56, 64, 72, 80, 84, 96, 100, 112, 120, 128, 144, 150, 160, 180, 192, 200, 224, 227,
    240, 256, 288, 299, 300, 320, 384, 400, 448, 512,
)  # fmt: skip


def worth(side: int) -> int:
    """The largest size that pictures of ``side`` pixels are worth: a quarter more than they have, by steps of 32."""
    return min(USUAL[-1], max(64, 32 * -(-side * 5 // (4 * 32))))


def accepted(takes: Callable[[int], bool], most: int) -> tuple[int, ...]:
    """The usual sizes up to ``most`` that a network ``takes``, or the one size that it is bound to; perhaps none."""
    found = tuple(size for size in USUAL if size <= most and takes(size))
    return found or tuple(size for size in _FIXED if takes(size))[:1]


def pictures(size: int) -> Tensor:
    """Two random ones (2, 3, size, size): what a network of pictures must take."""
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
