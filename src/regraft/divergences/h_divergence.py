"""How differently two classifiers can disagree on the domains."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from regraft.core.config import settings
from regraft.divergences._base import Divergence
from regraft.divergences._classifier import principal, told_apart


@settings
class HDivergence(Divergence):
    """The divergence of symmetric differences (H delta H) of linear classifiers, estimated; in [0, 2].

    Two lines disagree where the product of their scores is negative, a set with a quadratic border. So this is how well
    such a border tells the domains apart, by the error on examples that it was not fitted to; unlike `proxy_a` it sees
    domains that differ in their spread alone. It bounds how much worse a classifier may be on the other domain.

    Reference: Ben-David et al., A theory of learning from different domains, Machine Learning 2010, definition 3,
    lemma 3 and theorem 2.
    """

    differentiable: ClassVar[bool] = False

    components: Annotated[int, Field(ge=1)] = 16
    """Principal components of both samples whose products are taken: P of them have P (P + 1) / 2."""

    def measure(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance between ``a`` (N, D) and ``b`` (M, D), a scalar."""
        main = principal(torch.cat([a, b]).detach().double(), self.components)
        first, second = torch.triu_indices(main.shape[1], main.shape[1])
        seen = torch.cat([main, main[:, first] * main[:, second]], 1)
        return told_apart(seen[: len(a)], seen[len(a) :]).to(a.dtype)
