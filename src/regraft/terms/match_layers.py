"""Keep what the layers put out: the feature maps of the source, weighted by how much they matter."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.model import Model, Problem, channel_axis, layers, watched
from regraft.terms._base import Bound, Round, Term
from regraft.terms._source import frozen, inputs_of, some

Rises = list[tuple[nn.Module, Tensor]]
"""Layers, and what the loss rises by (C,) without each of their maps."""


@settings
class MatchLayers(Term):
    """Half the squared distance of each layer's maps from those at the start, on the labelled target, layers summed.

    A map counts by what the loss on the labelled target rises when it is switched off: softmax over the maps of its
    layer, of mean one. Distances are means over examples and places, so that a weight means the same for any size of
    batch and picture; the authors' code sums over examples. The head must be trained already, or all maps count alike.
    Reference: Li et al., DELTA: deep learning transfer using feature map with attention for convolutional networks,
    ICLR 2019, eq. 4 to 6.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    importance: Literal["estimated", "measured", "equal"] = "estimated"
    """Of a map: ``measured`` by switching off one after the other, as in the paper, which takes a forward pass each;
    ``estimated`` to first order by one backward pass; or ``equal``."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of the softmax over the maps of a layer."""
    examples: Annotated[int, Field(ge=1)] = 64
    """Labelled target examples that the importance is found on, at most."""

    @property
    def watches(self) -> frozenset[Stream]:
        """See `Term.watches`."""
        return self.streams

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`."""
        return _MatchLayers(model, self.shares(model, problem))

    def shares(self, model: Model, problem: Problem) -> dict[int, Tensor]:
        """The importance (C,) of the maps of each layer, of mean one, by its place among the `model.layers`."""
        chosen, mode = some(problem.target.train, self.examples), model.training
        model.eval()
        x = inputs_of(chosen, problem, model)
        y = torch.from_numpy(chosen.labels).to(x.device)
        rises = (_measured if self.importance == "measured" else _estimated)(model, problem, x, y)
        model.train(mode)
        order, sharpness = layers(model.backbone), 0.0 if self.importance == "equal" else 1 / self.temperature
        return {order.index(layer): len(rise) * (sharpness * rise).softmax(0) for layer, rise in rises}


class _MatchLayers(Bound):
    def __init__(self, model: Model, shares: dict[int, Tensor]) -> None:
        super().__init__()
        self.start = frozen(model.backbone)
        for number, share in shares.items():
            self.register_buffer(f"share_{number}", share)

    def forward(self, round_: Round) -> Tensor:
        now, batch = round_.layers(Stream.TARGET), round_.batches[Stream.TARGET]
        with torch.no_grad(), watched(self.start) as then:
            self.start(batch.inputs, batch.start)
        order, moved = layers(round_.model.backbone), []  # what is remembered of frozen layers is not forwarded again
        for (layer, a), (_, b) in zip(now, then, strict=True):
            share = self.get_buffer(f"share_{order.index(layer)}")
            moved.append((share * (_maps(layer, a) - _maps(layer, b)).square().mean((0, 2))).sum())
        return 0.5 * torch.stack(moved).sum()


def _maps(layer: nn.Module, output: Tensor) -> Tensor:
    """What a layer put out as (B, C, places): of states (B, T, C) each number is a map, of features (B, C) too."""
    output = output.float().movedim(channel_axis(layer, output), 1)
    return output.flatten(2) if output.dim() > 2 else output.unsqueeze(2)


def _estimated(model: Model, problem: Problem, x: Tensor, y: Tensor) -> Rises:
    """What the loss would rise by without each map, to first order: minus the sum of output times gradient."""
    with torch.enable_grad(), watched(model.backbone) as seen:
        loss = problem.task.loss(model.head(model.backbone(x.requires_grad_(x.is_floating_point())).float()), y)
        gradients = torch.autograd.grad(loss, [output for _, output in seen], allow_unused=True)
    found = []
    for (layer, output), gradient in zip(seen, gradients, strict=True):
        product = torch.zeros_like(output) if gradient is None else output.detach() * gradient
        found.append((layer, -_maps(layer, product).sum((0, 2))))
    return found


def _measured(model: Model, problem: Problem, x: Tensor, y: Tensor) -> Rises:
    """What the loss rises by without each map, one after the other."""
    with torch.no_grad(), watched(model.backbone) as seen:
        whole = problem.task.loss(model(x), y)
    found = []
    for layer, output in list(seen):
        rises, axis = [], channel_axis(layer, output)
        for channel in range(output.shape[axis]):
            handle = layer.register_forward_hook(_silence(axis, channel))
            with torch.no_grad():
                rises.append(problem.task.loss(model(x), y) - whole)
            handle.remove()
        found.append((layer, torch.stack(rises)))
    return found


def _silence(axis: int, channel: int) -> Callable[..., Any]:
    """A hook that sets one map of what a layer puts out to zero."""

    def silent(_: nn.Module, __: object, output: Any) -> Any:
        first = (output[0] if isinstance(output, tuple) else output).clone()
        first.select(axis, channel).zero_()
        return (first, *output[1:]) if isinstance(output, tuple) else first

    return silent
