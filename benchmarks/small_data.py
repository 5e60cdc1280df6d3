"""Does the interval of repeated cross-validation hold the truth? Simulated small data sets, cheap learners.

    python benchmarks/small_data.py [trials]

Two procedures learn from two halves of the features, by ridge regression on random features (whose seed is their luck).
Under the null the halves are alike, so the true gain is zero by symmetry. Else the second half says less, and the true
gain is measured on large samples. `naive` takes examples and rows for independent.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from regraft import guard, repeated
from regraft.data.splits import folds

HALF, SEEDS, LARGE = 6, 2, 2000


@dataclass(frozen=True)
class Case:
    """One condition; the fewer random features (``hidden``), the more luck."""

    examples: int
    folds: int = 5
    repeats: int = 1
    rare: float = 0.5
    cluster: int = 1
    signal: tuple[float, float] = (0.5, 0.5)
    hidden: int = 12


CASES = (
    Case(60), Case(60, repeats=2), Case(20), Case(60, hidden=3), Case(60, cluster=4), Case(60, rare=0.2),
    Case(60, signal=(0.9, 0.3)), Case(40), Case(100), Case(60, folds=10),
)  # fmt: skip


def drawn(case: Case, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, 2 HALF), labels 0 and 1, and clusters; both classes are there."""
    clusters = np.arange(count) // case.cluster
    y = (rng.random(clusters.max() + 1) < case.rare).astype(int)[clusters] if case.cluster > 1 else None
    y = (np.arange(count) < max(2, round(case.rare * count))).astype(int) if y is None else y
    y[: 2 * case.cluster] = np.repeat([0, 1], case.cluster)  # there is some of each
    effect = rng.normal(size=(clusters.max() + 1, 2 * HALF))[clusters] if case.cluster > 1 else 0.0
    means = np.repeat(np.array(case.signal) / 2, HALF)
    return rng.normal(size=(count, 2 * HALF)) + effect + np.outer(2 * y - 1, means), y, clusters


def answers(x: np.ndarray, y: np.ndarray, new: np.ndarray, hidden: int, rng: np.random.Generator) -> np.ndarray:
    """What ridge regression on random features answers for ``new``."""
    w, b = rng.normal(size=(x.shape[1], hidden)) / 2, rng.uniform(0, 2 * np.pi, hidden)
    z, weight = np.cos(x @ w + b), np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    z, v = np.column_stack([z, np.ones(len(z))]), np.column_stack([np.cos(new @ w + b), np.ones(len(new))])
    fitted = np.linalg.solve(z.T @ (weight[:, None] * z) + 0.3 * np.eye(z.shape[1]), z.T @ (weight * (2 * y - 1)))
    return (v @ fitted > 0).astype(int)


def trial(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray, repeated.Outer, float]:
    """Utilities (R, S, N) of both, how they were divided, and the gain of these very models on a large sample."""
    rng = np.random.default_rng(seed)
    x, y, clusters = drawn(case, case.examples, rng)
    far, truth, _ = drawn(
        case, LARGE if case.signal[0] != case.signal[1] else 4 * case.cluster, rng
    )  # the null needs no measuring
    right = np.zeros((2, case.repeats, SEEDS, len(y)))
    where, gains = np.full((case.repeats, len(y)), -1), []
    for r in range(case.repeats):
        named = [str(c) for c in clusters] if case.cluster > 1 else None
        for f, (learn, aside) in enumerate(folds(y, case.folds, seed * 100 + r, named)):
            where[r, aside] = f
            for s in range(SEEDS):
                for k, half in enumerate((slice(0, HALF), slice(HALF, None))):
                    both = np.vstack([x[aside, half], far[:, half]])
                    found = answers(x[learn, half], y[learn], both, case.hidden, rng)
                    right[k, r, s, aside] = found[: len(aside)] == y[aside]
                    hits = found[len(aside) :] == truth
                    balanced = case.rare * hits[truth == 1].mean() + (1 - case.rare) * hits[truth == 0].mean()
                    gains.append(balanced if k == 0 else -balanced)
    judged = (where >= 0).all(0)
    outer = repeated.Outer(case.folds, case.repeats, tuple(map(str, clusters[judged])) if case.cluster > 1 else None)
    return right[0][..., judged], right[1][..., judged], outer, 2 * float(np.mean(gains))


def main(trials: int) -> None:
    """Print the table."""
    measured = ("gain", "coverage", "naive", "helps", "hurts", "width", "naive width")
    head = ("examples", "folds", "repeats", "rarer", "cluster", "signal", "hidden", *measured)
    print("|", " | ".join(head), "|")
    print("|" + " --- |" * len(head))
    for case in CASES:
        found = [trial(case, seed) for seed in range(trials)]
        truth = 0.0 if case.signal[0] == case.signal[1] else float(np.mean([gain for *_, gain in found]))
        ours = [repeated.judge(a, b, outer) for a, b, outer, _ in found]
        naive = [guard.judge(a.mean((0, 1)), b.mean((0, 1)), outer.groups) for a, b, outer, _ in found]
        held = [np.mean([v.gain.low <= truth <= v.gain.high for v in group]) for group in (ours, naive)]
        wide = [100 * np.mean([v.gain.high - v.gain.low for v in group]) for group in (ours, naive)]
        says = [np.mean([v.outcome == word for v in ours]) for word in ("helps", "hurts")]
        row = (
            case.examples,
            case.folds,
            case.repeats,
            case.rare,
            case.cluster,
            case.signal[1],
            case.hidden,
            f"{100 * truth:.1f}",
        )
        print("|", " | ".join(map(str, row)), "|", " | ".join(f"{v:.3f}" for v in (*held, *says)), "|",
              " | ".join(f"{v:.1f}" for v in wide), "|", flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="?", default=500, help="for each line of the table")
    main(parser.parse_args().trials)
