"""Small bottlenecks after frozen layers."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.edits._base import Structural
from regraft.edits.freeze import norms
from regraft.model import Model, channel_axis, watched


@settings
class Adapter(Structural):
    """Freeze the backbone and add a residual bottleneck after each of its layers; normalisation layers learn too.

    ``x + up(relu(down(x)))``, where ``up`` starts at zero: on states and features two linear layers, on maps two
    convolutions of one pixel. The paper puts one after either half of a transformer's layer; here it is one a layer,
    which any network has. They cannot be merged: a saved model is built again with them.
    Reference: Houlsby et al., Parameter-efficient transfer learning for NLP, ICML 2019, section 2.1; on convolutions
    Rebuffi, Bilen and Vedaldi, Efficient parametrization of multi-domain deep neural networks, CVPR 2018, eq. 2.
    """

    width: Annotated[int, Field(ge=1)] = 32
    """Numbers in the bottleneck; at most those of the layer."""

    def build(self, model: Model, sample: Tensor) -> None:
        """See `Structural.build`.

        Raises:
            CandidateError: the network has no layer whose output it could follow.
        """
        reached = _reached(model, sample)
        if not reached:
            raise CandidateError("this network has no layers that adapters could follow")
        for parameter in norms(model.backbone):
            parameter.requires_grad_(True)
        for layer, output in reached:
            adapter = _Bottleneck(output, self.width, channel_axis(layer, output)).to(output.device)
            layer.add_module("adapter", adapter)  # of a chain of modules it is the last
            if not isinstance(layer, nn.Sequential):
                layer.register_forward_hook(adapter.follow)


class _Bottleneck(nn.Module):
    """What follows a layer with such an ``output``, of which the channels lie along ``axis``."""

    def __init__(self, output: Tensor, width: int, axis: int) -> None:
        super().__init__()
        channels, within = output.shape[axis], axis < output.dim() - 1
        make: Any = {3: nn.Conv1d, 4: nn.Conv2d}[output.dim()] if within else nn.Linear
        sizes = (channels, min(width, channels))
        self.down, self.up = (make(*pair, *((1,) if within else ())) for pair in (sizes, sizes[::-1]))
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """What a layer put out, in its shape."""
        return x + self.up(self.down(x).relu())

    def follow(self, _: nn.Module, __: object, output: Any) -> Any:
        """The same as a forward hook."""
        return (self(output[0]), *output[1:]) if isinstance(output, tuple) else self(output)


def _reached(model: Model, sample: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """The layers with weights that a forward pass goes through once, and what each puts out."""
    mode = model.training
    with torch.no_grad(), watched(model.backbone) as seen:
        model.eval().backbone(sample)
    model.train(mode)
    called = [layer for layer, _ in seen]
    once = [(layer, x) for layer, x in seen if called.count(layer) == 1 and x.is_floating_point()]
    return [(layer, x) for layer, x in once if x.dim() in (2, 3, 4) and any(True for _ in layer.parameters())]
