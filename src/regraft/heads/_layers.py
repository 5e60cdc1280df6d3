"""Layers whose values were computed rather than descended, and how a head of such layers is kept and rebuilt.

A head is a linear layer, one of the layers here, or several in a row. What kind they are is written down as a plan of
plain data; their values are tensors, which are kept with the model's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_BLOCK = 2**24
"""Distances held at a time."""
_NARROW = 64
"""Columns of a weight up to which products of doubles are turned over: on some processors they take half the time."""


class Fitted(nn.Module):
    """A layer of computed values: they are buffers, in double precision, and its options are plain data.

    It computes in double precision and gives back the precision of its inputs.
    """

    def __init__(self, values: Mapping[str, Tensor | np.ndarray], **options: Any) -> None:
        super().__init__()
        self.options = options
        for name, value in values.items():
            self.register_buffer(name, torch.as_tensor(value))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to (B, E)."""
        return self.mapped(features.double()).to(features.dtype)

    def mapped(self, features: Tensor) -> Tensor:
        """The same in double precision."""
        raise NotImplementedError


class Affine(Fitted):
    """``x @ weight + bias``: values ``weight`` (D, E) and ``bias`` (E,)."""

    weight: Tensor
    bias: Tensor

    def mapped(self, features: Tensor) -> Tensor:
        """See `Fitted.mapped`."""
        if self.weight.shape[1] > _NARROW:
            return torch.addmm(self.bias, features, self.weight)
        return ((self.weight.T @ features.T).T + self.bias).contiguous()


class Scale(Fitted):
    """``(x - mean) / deviation``, values (D,), after dividing by the sum or the length of a row if ``rows`` says so.

    Option ``rows``: ``""``, ``"sum"`` (of absolute values) or ``"length"``.
    """

    mean: Tensor
    deviation: Tensor

    def mapped(self, features: Tensor) -> Tensor:
        """See `Fitted.mapped`."""
        if self.options["rows"]:
            size = features.abs().sum(1, keepdim=True) if self.options["rows"] == "sum" else _length(features)
            features = features / torch.where(size > 0, size, 1.0)
        return (features - self.mean) / self.deviation


class Kernel(Fitted):
    """``k(x, landmarks) @ weight + bias``: values ``landmarks`` (L, D), ``weight`` (L, E), ``bias`` (E,).

    Options: ``kind``, ``gaussian`` or ``linear``, and ``gamma`` of exp(-gamma |x - z|^2).
    """

    landmarks: Tensor
    weight: Tensor
    bias: Tensor

    def mapped(self, features: Tensor) -> Tensor:
        """See `Fitted.mapped`."""
        if self.options["kind"] == "linear":
            return features @ (self.landmarks.T @ self.weight) + self.bias

        def block(rows: Tensor) -> Tensor:
            near = torch.exp(-self.options["gamma"] * torch.cdist(rows, self.landmarks).square())
            return near @ self.weight + self.bias

        return _by_blocks(block, features, self.landmarks)


class Neighbours(Fitted):
    """The mean of ``values`` (L, E) over the nearest of ``points`` (L, D), each counting as ``counts`` (L,) says.

    Options: ``count``, how many are the nearest; ``shift``: the mean is added to the features, so E is D.
    """

    points: Tensor
    values: Tensor
    counts: Tensor

    def mapped(self, features: Tensor) -> Tensor:
        """See `Fitted.mapped`."""

        def block(rows: Tensor) -> Tensor:
            near = torch.cdist(rows, self.points).topk(self.options["count"], largest=False).indices
            weights = self.counts[near][..., None]
            return (weights * self.values[near]).sum(1) / weights.sum(1).clamp_min(1e-300)

        found = _by_blocks(block, features, self.points)
        return features + found if self.options["shift"] else found


class Odds(Fitted):
    """``log(scale * p + above) - log(less * (1 - p) + below)`` for shares p (B, E); values (E,)."""

    scale: Tensor
    above: Tensor
    less: Tensor
    below: Tensor

    def mapped(self, features: Tensor) -> Tensor:
        """See `Fitted.mapped`."""
        return torch.log(self.scale * features + self.above) - torch.log(self.less * (1 - features) + self.below)


class Vote(Fitted):
    """Several linear layers that vote: values ``weight`` (T, D, E), ``bias`` (T, E) and ``votes`` (T,), none negative.

    Option ``kind``: ``plurality``, the sum of the votes of those whose largest output it is, for each of E classes;
    ``median``, the weighted median of their outputs.
    """

    weight: Tensor
    bias: Tensor
    votes: Tensor

    def mapped(self, features: Tensor) -> Tensor:
        """See `Fitted.mapped`."""
        each = torch.einsum("bd,tde->tbe", features, self.weight) + self.bias[:, None]
        if self.options["kind"] == "plurality":
            chosen = nn.functional.one_hot(each.argmax(2), each.shape[2])
            return torch.einsum("t,tbe->be", self.votes, chosen.to(self.votes.dtype))
        ordered, places = each.sort(0)
        reached = self.votes[places].cumsum(0)
        return ordered.gather(0, (reached < reached[-1:] / 2).sum(0, keepdim=True))[0]


class Mixture(nn.Module):
    """Several heads side by side, whose class probabilities are averaged with ``weights`` (S,), of sum one.

    Its outputs are the logarithms of the averages, so that their softmax are the averages.
    """

    weights: Tensor

    def __init__(self, parts: Sequence[nn.Module], weights: Tensor | np.ndarray) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.register_buffer("weights", torch.as_tensor(weights).double())

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to (B, C)."""
        each = torch.stack([part(features).double().softmax(1) for part in self.parts])
        return torch.einsum("s,sbc->bc", self.weights, each).clamp_min(1e-30).log().to(features.dtype)


def through(layer: nn.Module, features: np.ndarray) -> np.ndarray:
    """Features (N, D), float64, through a layer of this file, in double precision."""
    with torch.inference_mode():
        return np.asarray(layer(torch.from_numpy(np.ascontiguousarray(features))).numpy())


LAYERS: dict[str, type[Fitted]] = {cls.__name__: cls for cls in (Affine, Scale, Kernel, Neighbours, Odds, Vote)}


def plan(layer: nn.Module) -> dict[str, Any] | None:
    """Plain data from which `rebuilt` makes a layer of the same kind; None for what is trained by descent."""
    if type(layer) in (nn.Linear, nn.Identity):
        return {"layer": type(layer).__name__}
    if isinstance(layer, Fitted):
        return {"layer": type(layer).__name__, "options": layer.options}
    if isinstance(layer, Mixture):
        several = [plan(part) for part in layer.parts]
        return {"layer": "Mixture", "parts": several} if all(several) else None
    parts = [plan(part) for part in layer] if isinstance(layer, nn.Sequential) else [None]
    return {"layer": "Sequential", "parts": parts} if all(parts) else None


def rebuilt(of: Mapping[str, Any], values: Mapping[str, Tensor]) -> nn.Module:
    """The layer of which ``of`` is the plan and ``values`` are the tensors by name."""
    if of["layer"] == "Sequential":
        each = [_under(str(i), values) for i in range(len(of["parts"]))]
        return nn.Sequential(*(rebuilt(part, held) for part, held in zip(of["parts"], each, strict=True)))
    if of["layer"] == "Mixture":
        each = [_under(f"parts.{i}", values) for i in range(len(of["parts"]))]
        parts = [rebuilt(part, held) for part, held in zip(of["parts"], each, strict=True)]
        return Mixture(parts, values["weights"])
    if of["layer"] == "Identity":
        return nn.Identity()
    if of["layer"] == "Linear":
        linear = nn.Linear(values["weight"].shape[1], values["weight"].shape[0], bias="bias" in values)
        linear.load_state_dict(values)
        return linear
    return LAYERS[of["layer"]](values, **of["options"])


def _under(name: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}


def _by_blocks(of: Callable[[Tensor], Tensor], features: Tensor, points: Tensor) -> Tensor:
    """``of`` applied to blocks of rows, so that few distances to the points are held at a time."""
    return torch.cat([of(rows) for rows in features.split(max(1, _BLOCK // len(points)))])


def _length(rows: Tensor) -> Tensor:
    return rows.square().sum(1, keepdim=True).sqrt()
