"""The contract of divergences: a distance between two samples of features."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from regraft.core.arrays import LARGEST, too_large, too_small
from regraft.core.errors import UserError

_EASY = 1e6
"""Numbers up to this, and down to its inverse, are compared in the precision that they come in."""


class Divergence(ABC):
    """A distance between two samples, usable on plain arrays by itself and, if differentiable, as a loss."""

    differentiable: ClassVar[bool] = True
    """Whether gradients flow through it to tensors that require them."""

    def __call__(self, a: Any, b: Any) -> Tensor:
        """The distance between ``a`` (N, D) and ``b`` (M, D), a scalar of at least single precision.

        Tensors or arrays. Tensors are not searched for what is not a number (that would wait for the device at every
        training step); the result is then of no worth.

        Raises:
            UserError: an input is empty or no matrix of finite numbers, or the two differ in width.
        """
        a, b = _matrices(a, b)
        # Distances subtract nearly equal numbers: the half precision of an enclosing autocast would leave only noise.
        with torch.autocast(a.device.type, enabled=False):
            return self.measure(a, b)

    @abstractmethod
    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance, a scalar, between checked floating-point tensors (N, D) and (M, D); N and M may be 1."""


def _matrices(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both inputs as tensors of one floating-point type, on the device of the first input that is a tensor."""
    device = next((x.device for x in (a, b) if isinstance(x, Tensor)), None)
    a, b = (x if isinstance(x, Tensor) else _array(x) for x in (a, b))
    a, b = (torch.as_tensor(x, device=device) for x in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.numel() or not b.numel():
        raise UserError(
            f"a divergence compares two non-empty matrices of equal width, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    kind = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    return a.to(kind), b.to(kind)


def _array(given: Any) -> np.ndarray:
    """``given`` in memory one row after the other: views may run backwards."""
    try:
        found = np.ascontiguousarray(given)
    except ValueError as error:
        raise UserError(f"a divergence compares matrices of numbers: {error}") from error
    if found.dtype.kind not in "fiub":
        raise UserError(f"a divergence compares matrices of numbers, got {found.dtype}")
    bad = np.flatnonzero(~np.isfinite(found.reshape(len(found), -1)).all(1)) if found.size else np.empty(0)
    if len(bad):
        raise UserError(f"a divergence compares finite numbers, and {len(bad)} rows are not, first row {bad[0]}")
    largest = max(float(found.max()), -float(found.min())) if found.size else 0.0
    if largest > LARGEST:
        raise UserError(too_large("the samples"))
    if 0 < largest < 1 / LARGEST:
        raise UserError(too_small("a sample"))
    # Products of four numbers must fit; and PyTorch knows neither other orders of bytes nor longer numbers.
    fits = largest == 0 or 1 / _EASY < largest < _EASY
    return found if fits and found.dtype.isnative and found.dtype.itemsize <= 8 else found.astype(np.float64)
