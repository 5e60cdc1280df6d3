"""One linear layer."""

from typing import Annotated

from pydantic import Field
from torch import nn

from regraft.core.config import settings
from regraft.heads._base import Head


@settings
class Linear(Head):
    """One linear layer, started at zero, so that before the first step every class is equally likely."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of features dropped in training."""

    def build(self, feature_dim: int, outputs: int) -> nn.Module:
        """See `Head.build`."""
        layer = nn.Linear(feature_dim, outputs)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        return nn.Sequential(nn.Dropout(self.dropout), layer) if self.dropout else layer
