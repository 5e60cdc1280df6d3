"""How well a classifier tells two samples apart, each example left out in turn."""

import torch
from torch import Tensor


def told_apart(a: Tensor, b: Tensor) -> Tensor:
    """The distance 2 (1 - 2 error) of rows (N, D) and (M, D), in [0, 2]; no gradient.

    The error, the mean of both sides', is of leaving each example out, which has a closed form: no folds are drawn, so
    neither the order of rows nor a seed matters. A copy of an example on the other side counts against the classifier.
    """
    first, second = left_out(a, b)
    error = 0.5 * (first <= 1e-9).double().mean() + 0.5 * (second >= -1e-9).double().mean()
    return (2 * (1 - 2 * error)).clamp(min=0).to(a.dtype)


def left_out(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """What a ridge classifier of the domains, about 1 for the first and -1 for the second, says of each row left out.

    Scores (N,) and (M,), double precision, no gradient. Both sides weigh the same, however large.
    """
    n, m = len(a), len(b)
    rows = torch.cat([a, b]).detach().double()
    counts = torch.cat([rows.new_full((n,), 0.5 / n), rows.new_full((m,), 0.5 / m)])
    side = torch.cat([rows.new_ones(n), -rows.new_ones(m)])
    x = counts.sqrt()[:, None] * (rows - counts @ rows)
    wide = x.shape[1] > len(x)
    inner = x @ x.T if wide else x.T @ x
    penalty = inner.trace() / len(inner) + 1e-300  # the mean squared singular value: well conditioned, whatever x is
    near, right = (inner, torch.eye(len(x)).to(x)) if wide else (x, x.T)
    solved = torch.linalg.solve(inner + penalty * torch.eye(len(inner)).to(x), right)
    aim = counts.sqrt() * side
    fitted, leverage = near @ (solved @ aim), (near * solved.T).sum(1) + counts
    residual = (aim - fitted) / (1 - leverage).clamp(min=1e-9) / counts.sqrt()
    scores = side - residual
    return scores[:n], scores[n:]


def principal(rows: Tensor, count: int) -> Tensor:
    """At most ``count`` principal components (N, P) of ``rows`` (N, D), of root mean square length one."""
    x = rows - rows.mean(0)
    wide = x.shape[1] > len(x)
    values, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = (values > values[-1] * 1e-12).nonzero()[-count:, 0]
    main = vectors[:, kept] * values[kept].sqrt() if wide else x @ vectors[:, kept]
    return main / main.square().sum(1).mean().sqrt().clamp(min=1e-300)
