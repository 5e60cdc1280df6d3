"""Linear layers with one hidden layer between them."""

from torch import nn

from regraft.core.config import settings
from regraft.heads._base import Head


@settings
class Mlp(Head):
    """The textbook head for transfer: pooled features, one wide hidden layer, the classes."""

    width: int = 1024
    """Hidden units."""
    dropout: float = 0.5
    """Share of hidden units dropped in training."""

    def build(self, feature_dim: int, outputs: int) -> nn.Module:
        """See `Head.build`."""
        return nn.Sequential(
            nn.Linear(feature_dim, self.width), nn.ReLU(), nn.Dropout(self.dropout), nn.Linear(self.width, outputs)
        )
