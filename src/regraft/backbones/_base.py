"""The contract of backbones: the feature layers, their preprocessing and the depth order of their blocks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from regraft.core.config import settings


@settings
class Preprocess:
    """How a picture becomes the tensor that a network expects.

    Pictures are resized so that the short side is ``size``, centre-cropped to a square, scaled to [0, 1], normalised.
    """

    size: int
    """Pixels on a side."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Subtracted from each channel after scaling to [0, 1]."""
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Divides each channel after the mean is subtracted."""


class Network(nn.Module):
    """Stages in depth order, applied one after the other: inputs (B, 3, S, S) to pooled features (B, D).

    Because a stage's output is all that the next one sees, the activations after any stage can be remembered and
    training resumed from there (``start``). A network that cannot be cut is one stage; its ``blocks`` still say which
    parameters lie deeper.
    """

    def __init__(
        self, stages: Sequence[nn.Module], feature_dim: int, blocks: Sequence[nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.feature_dim = feature_dim
        self.inner_blocks = None if blocks is None else list(blocks)  # a plain list: these are registered in the stages

    def forward(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Apply stages ``start`` to ``stop`` (all the rest by default)."""
        for stage in self.stages[start:stop]:
            x = stage(x)
        return x


class Backbone(ABC):
    """Options of a feature extractor; ``build`` makes the live network."""

    @property
    @abstractmethod
    def preprocess(self) -> Preprocess:
        """What the network expects of its inputs."""

    @abstractmethod
    def build(self, pretrained: bool = True) -> Network:
        """The network with its trained weights, or randomly initialised from torch's generator.

        Raises:
            UserError: the weights are missing or belong to another architecture.
        """
