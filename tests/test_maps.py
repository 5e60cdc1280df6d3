"""Maps of examples in two dimensions: what they are drawn of, and where there is nothing to draw."""

import pytest
import torch
from torch import nn

from regraft.maps import before_and_after
from regraft.runtime import Runtime
from regraft.sources import Source


class First(nn.Module):
    """The first features only."""

    def __init__(self, network: nn.Module, width: int) -> None:
        super().__init__()
        self.network, self.width = network, width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[:, : self.width]


class Same(nn.Module):
    """The same features for all."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0 * self.network(x) + 1


@pytest.mark.parametrize("width", [1, 2, 1000])
def test_a_map_is_drawn_of_two_features_or_more(toy, width):
    source = Source("toy", toy.backbone(), toy.fresh(), None, False, {}, Runtime(), Runtime(), (1.0, 1.0))
    source.model.backbone = First(source.model.backbone, width)
    found = before_and_after(source, source.model, toy.holdout, 0)
    assert bool(found) == (width > 1)
    if found:
        assert len(found["before"]) == len(found["after"]) == len(found["targets"]) == len(toy.holdout)


def test_no_map_is_drawn_where_all_examples_look_the_same(toy):
    """As texts do none of whose words is known; t-SNE breaks the process on them."""
    source = Source("toy", toy.backbone(), toy.fresh(), None, False, {}, Runtime(), Runtime(), (1.0, 1.0))
    source.model.backbone = Same(source.model.backbone)
    assert before_and_after(source, source.model, toy.holdout, 0) == {}
