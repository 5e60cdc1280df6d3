"""Linear layers with one hidden layer between them."""

from typing import Annotated

from pydantic import Field
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import Head


@settings
class Mlp(Head):
    """The textbook head for transfer: pooled features, one wide hidden layer, the classes."""

    width: Annotated[int, Field(ge=1)] = 1024
    """Hidden units."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of hidden units dropped in training."""

    def build(self, feature_dim: int, outputs: int) -> nn.Module:
        """See `Head.build`."""
        return nn.Sequential(
            nn.Linear(feature_dim, self.width), nn.ReLU(), nn.Dropout(self.dropout), nn.Linear(self.width, outputs)
        )
