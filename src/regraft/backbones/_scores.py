"""What a network's outputs say, where nobody said whether they are scores or probabilities."""

import torch
from torch import Tensor, nn

_LEAST = 1e-7


class Logits(nn.Module):
    """A classifier whose outputs (B, K) are made scores: log-probabilities where they are probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Inputs to scores (B, K), at least two."""
        out = self.network(x).float()
        shares = bool((out >= 0).all() and (out <= 1).all())
        if out.shape[1] == 1:  # one class against the other
            sure = out.clamp(_LEAST, 1 - _LEAST) if shares else out.sigmoid()
            return torch.cat([1 - sure, sure], 1).clamp_min(_LEAST).log()
        sums_to_one = shares and bool((out.sum(1) - 1).abs().max() < 1e-3)
        return out.clamp_min(_LEAST).log() if sums_to_one else out
