"""How well a classifier tells two samples apart, each example left out in turn."""

import torch
from torch import Tensor


def told_apart(a: Tensor, b: Tensor) -> Tensor:
    """The distance 2 (1 - 2 error) of rows (N, D) and (M, D), in [0, 2]; no gradient.

    The error is the mean of both sides', of leaving each example out of a ridge classifier, which has a closed form:
    no folds are drawn, so that neither the order of rows nor a seed matters. A copy of an example on the other side
    speaks against telling them apart, as it should.
    """
    n, m = len(a), len(b)
    rows = torch.cat([a, b]).detach().double()
    counts = torch.cat([rows.new_full((n,), 0.5 / n), rows.new_full((m,), 0.5 / m)])  # both sides weigh the same
    side = torch.cat([rows.new_ones(n), -rows.new_ones(m)])
    left, singular, _ = torch.linalg.svd(counts.sqrt()[:, None] * (rows - counts @ rows), full_matrices=False)
    shrunk = singular.square() / (singular.square() + singular.square().mean() + 1e-300)
    aim = counts.sqrt() * side
    fitted, leverage = left @ (shrunk * (left.T @ aim)), left.square() @ shrunk + counts
    residual = (aim - fitted) / (1 - leverage).clamp(min=1e-9) / counts.sqrt()
    wrong = side * (side - residual) <= 1e-9
    return (2 * (1 - 2 * counts @ wrong.double())).clamp(min=0).to(a.dtype)
