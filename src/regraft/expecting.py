"""What is expected of candidates: their results, made comparable and drawn towards what is alike."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from regraft.candidates import Candidate, transfers


def levelled(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The transfers with the criterion that each would have on all examples, where it was seen on the first few only.

    Heads are tried on more folds than what descends, and one fold may be easier than another. By how much the others
    were is told by transfers from the same source that were seen on all, or, without any, by all such transfers.
    Baselines stay as they are: they are compared with each other alone, on folds of their own.
    """
    many = max((len(c.by_example) for c in transfers(candidates)), default=0)
    whole = [c for c in transfers(candidates) if len(c.by_example) == many]

    def shift(candidate: Candidate) -> float:
        seen = len(candidate.by_example)
        alike = [np.array(c.by_example) for c in whole if c.source == candidate.source]
        alike = alike or [np.array(c.by_example) for c in whole]
        return float(np.mean([each.mean() - each[:seen].mean() for each in alike]))

    return [c if c.score is None or c.baseline else replace(c, criterion=c.criterion + shift(c)) for c in candidates]


def drawn_together(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with what is expected of each: halfway between its own criterion and an additive fit.

    The fit adds a source's part and a method's part (two-way analysis of variance). With few labels one cross-validated
    number is mostly noise; a source that does well with eight methods is not. One source alone changes nothing.
    Reference: Efron and Morris, Data analysis using Stein's estimator and its generalizations, JASA 1975.
    """
    scored = [c for c in candidates if c.score is not None]
    kinds = [sorted({getattr(c, of) for c in scored}) for of in ("source", "method")]
    table = np.zeros((len(scored), 1 + len(kinds[0]) + len(kinds[1])))
    for row, c in enumerate(scored):
        table[row, [0, 1 + kinds[0].index(c.source), 1 + len(kinds[0]) + kinds[1].index(c.method)]] = 1
    own = np.array([c.criterion for c in scored])
    fitted = table @ np.linalg.lstsq(table, own, rcond=None)[0] if scored else own
    expected = {(c.source, c.method): float((a + b) / 2) for c, a, b in zip(scored, own, fitted, strict=True)}
    return [replace(c, expected=expected.get((c.source, c.method), 0.0)) for c in candidates]
