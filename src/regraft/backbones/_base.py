"""The contract of backbones: the feature layers, their preprocessing and the depth order of their blocks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from regraft.backbones._carried import Carried
from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.data.examples import Examples, noun
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing.waveform import Waveform

TRANSFORMER_TEMPO = 0.1
"""Rates of transformers relative to those of convolutional networks: 1e-4 where these take 1e-3, as is the habit."""


class Network(nn.Module):
    """Stages in depth order, applied one after the other: inputs (B, ...) to pooled features (B, D).

    Because a stage's output is all that the next one sees, the activations after any stage can be remembered and
    training resumed from there (``start``). A network that cannot be cut is one stage; its ``blocks`` still say which
    parameters lie deeper. ``tempo``: factor on its learning rates; above 1, also on that of a head learning with it.
    ``carried``: what a weights file gave to it, None where its weights came from elsewhere.
    """

    carried: Carried | None = None

    def __init__(
        self, stages: Sequence[nn.Module], feature_dim: int, blocks: Sequence[nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.feature_dim = feature_dim
        self.inner_blocks = None if blocks is None else list(blocks)  # a plain list: these are registered in the stages
        self.tempo = TRANSFORMER_TEMPO if _normalises_examples(self) else 1.0

    def forward(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Apply stages ``start`` to ``stop`` (all the rest by default)."""
        for stage in self.stages[start:stop]:
            x = stage(x)
        return x


def _normalises_examples(network: nn.Module) -> bool:
    """Whether each example is normalised by itself, as in transformers and their kin, and none by its batch."""
    names = [type(m).__name__ for m in network.modules()]
    return any(n.endswith(("LayerNorm", "RMSNorm")) for n in names) and not any("BatchNorm" in n for n in names)


class Backbone(ABC):
    """Options of a feature extractor; ``build`` makes the live network."""

    arch: str
    """Which network it is: a library's name for it, or the file it is in."""

    @property
    @abstractmethod
    def preprocess(self) -> Preprocess:
        """What the network expects of its inputs."""

    @property
    def hears(self) -> Waveform | None:
        """How it reads recordings; None where it takes something else."""
        return None

    def suited(self, examples: Examples) -> "Backbone":
        """The same backbone with what it must know of the examples it will see, such as the size of its inputs.

        Raises:
            UserError: it cannot take examples of their kind.
        """
        takes = self.preprocess.kind
        if takes != examples.kind:
            name = catalog.name_of(type(self))
            column = ", or call the column of texts 'text'" if (takes, examples.kind) == ("text", "table") else ""
            others = f"but these are {examples.noun}s; give another source{column}"
            raise UserError(f"{name} networks take {noun(takes)}s, {others}")
        return self

    def alone(self) -> "Backbone":
        """The same backbone where there are no examples to suit it to, to say what it is."""
        return self

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens that it has embeddings of, in their order; none where it takes no text or its tokens are fixed."""
        return ()

    def respelled(self, examples: Examples, keep: bool) -> "Backbone":
        """The same backbone with a vocabulary learned from the examples; with ``keep``, beside its own."""
        return self

    def conventions(self) -> tuple[Self, ...]:
        """What it may want its inputs to be, where that is not known, the likeliest first."""
        return (self,)

    def recogniser(self) -> nn.Module | None:
        """The network with its own classifier, inputs to scores; None where it has none."""
        return None

    @property
    def described(self) -> str:
        """What it wants its inputs to be, in words."""
        return self.preprocess.kind

    @property
    def untrained(self) -> Self:
        """Itself without what belongs to its weights alone: what is equal here is one network from scratch."""
        return self

    @property
    def origin(self) -> Mapping[str, str]:
        """Where its weights come from, as far as its library or files say: ``origin``, ``licence``, ``citation``."""
        return {}

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of the classes that its own classifier tells apart; empty where they are not known."""
        return ()

    def classifier(self) -> nn.Linear | None:
        """The layer from its features to scores of its `categories`; None where there is none, or no one layer."""
        return None

    def keep(self, folder: Path) -> Self:
        """The same backbone for a model that is saved in ``folder``: what else it reads is copied there."""
        return self

    def found(self, folder: Path) -> Self:
        """What `keep` gave, for a model that is loaded from ``folder``."""
        return self

    @abstractmethod
    def build(self, pretrained: bool = True) -> Network:
        """The network with its trained weights, or randomly initialised from torch's generator.

        Raises:
            UserError: the weights are missing or belong to another architecture.
        """
