"""How often the guard's intervals hold the truth: a simulation, printed as a Markdown table.

    python benchmarks/guard_coverage.py                   (1000 comparisons a row, 20 s; the table below is of 2000)

An answer is right if ability + luck of the run + effect of the example (+ effect of its cluster) + noise > 0, on the
latent probit scale. Standard deviations: luck as in its column, example 1.0 (half of its variance common to both
models), cluster 0.7, noise 1. ``gain`` is the candidate's extra ability.

``coverage``: of the 95% interval of the gain in accuracy. ``naive``: of the interval that takes seeds for fixed and
examples for independent. ``helps`` and ``hurts``: how often the verdict says so. ``width``: mean, in points; ``ideal``:
if the standard error were known. With few seeds nobody reaches ideal: where luck dominates, the 0.975 quantile of t is
4.3 for 3 seeds, against 1.96. With 1 seed the truth is that of the two models at hand, not of the recipe: there equal
recipes give unequal models, and the verdict's sentence says that luck in training was not measured.

Expected: coverage at least 0.92 in every row; with gain 0 and 2 seeds or more, helps at most 0.05. Measured, numpy 2.4:

| seeds | examples | clusters | luck | accuracy | gain | coverage | naive | helps | hurts | width | ideal |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| 3 | 20 | none | 0.15 | 0.69 | 0.0 | 0.988 | 0.922 | 0.006 | 0.006 | 60.8 | 38.4 |
| 3 | 20 | none | 0.15 | 0.69 | 0.25 | 0.989 | 0.921 | 0.025 | 0.000 | 59.5 | 37.2 |
| 3 | 1000 | none | 0.15 | 0.69 | 0.0 | 0.941 | 0.569 | 0.026 | 0.034 | 23.5 | 12.6 |
| 3 | 1000 | none | 0.15 | 0.69 | 0.25 | 0.940 | 0.581 | 0.235 | 0.000 | 22.4 | 12.1 |
| 5 | 20 | none | 0.15 | 0.69 | 0.0 | 0.986 | 0.921 | 0.007 | 0.007 | 43.8 | 33.5 |
| 5 | 20 | none | 0.15 | 0.69 | 0.25 | 0.986 | 0.925 | 0.036 | 0.001 | 42.6 | 32.1 |
| 5 | 1000 | none | 0.15 | 0.69 | 0.0 | 0.947 | 0.584 | 0.025 | 0.029 | 13.0 | 10.5 |
| 5 | 1000 | none | 0.15 | 0.69 | 0.25 | 0.949 | 0.596 | 0.468 | 0.000 | 12.4 | 10.1 |
| 3 | 20 | none | 0.15 | 0.94 | 0.0 | 1.000 | 0.953 | 0.001 | 0.000 | 35.1 | 18.1 |
| 3 | 20 | none | 0.15 | 0.94 | 0.25 | 1.000 | 0.916 | 0.001 | 0.000 | 33.2 | 16.9 |
| 3 | 1000 | none | 0.15 | 0.94 | 0.0 | 0.961 | 0.733 | 0.018 | 0.021 | 8.6 | 4.7 |
| 3 | 1000 | none | 0.15 | 0.94 | 0.25 | 0.962 | 0.727 | 0.195 | 0.000 | 7.7 | 4.3 |
| 5 | 20 | none | 0.15 | 0.94 | 0.0 | 1.000 | 0.935 | 0.000 | 0.000 | 28.0 | 16.5 |
| 5 | 20 | none | 0.15 | 0.94 | 0.25 | 1.000 | 0.934 | 0.001 | 0.000 | 27.0 | 15.1 |
| 5 | 1000 | none | 0.15 | 0.94 | 0.0 | 0.947 | 0.750 | 0.030 | 0.023 | 4.8 | 4.0 |
| 5 | 1000 | none | 0.15 | 0.94 | 0.25 | 0.946 | 0.759 | 0.396 | 0.000 | 4.3 | 3.6 |
| 3 | 1000 | equal | 0.15 | 0.67 | 0.0 | 0.953 | 0.549 | 0.024 | 0.023 | 21.3 | 15.1 |
| 3 | 1000 | equal | 0.15 | 0.67 | 0.25 | 0.953 | 0.564 | 0.230 | 0.001 | 20.4 | 14.6 |
| 3 | 1000 | unequal | 0.15 | 0.67 | 0.0 | 0.958 | 0.470 | 0.022 | 0.020 | 21.9 | 17.7 |
| 3 | 1000 | unequal | 0.15 | 0.67 | 0.25 | 0.958 | 0.478 | 0.183 | 0.002 | 21.1 | 17.1 |
| 5 | 200 | equal | 0.15 | 0.67 | 0.0 | 0.964 | 0.658 | 0.018 | 0.018 | 25.4 | 22.9 |
| 5 | 200 | equal | 0.15 | 0.67 | 0.25 | 0.964 | 0.671 | 0.119 | 0.001 | 24.6 | 22.2 |
| 5 | 200 | unequal | 0.15 | 0.67 | 0.0 | 0.938 | 0.541 | 0.032 | 0.030 | 32.2 | 30.8 |
| 5 | 200 | unequal | 0.15 | 0.67 | 0.25 | 0.939 | 0.550 | 0.108 | 0.005 | 31.1 | 29.7 |
| 3 | 1000 | none | 0.0 | 0.69 | 0.0 | 0.983 | 0.950 | 0.010 | 0.007 | 7.5 | 5.0 |
| 3 | 1000 | none | 0.03 | 0.69 | 0.0 | 0.976 | 0.932 | 0.013 | 0.011 | 8.5 | 5.5 |
| 3 | 1000 | none | 0.06 | 0.69 | 0.0 | 0.963 | 0.850 | 0.018 | 0.020 | 11.2 | 6.8 |
| 2 | 20 | none | 0.15 | 0.69 | 0.0 | 0.989 | 0.920 | 0.006 | 0.005 | 106.6 | 43.0 |
| 2 | 1000 | none | 0.15 | 0.69 | 0.0 | 0.925 | 0.535 | 0.042 | 0.034 | 74.5 | 15.6 |
| 1 | 20 | none | 0.15 | 0.69 | 0.0 | 0.967 | 0.937 | 0.026 | 0.025 | 59.7 | 53.2 |
| 1 | 20 | none | 0.15 | 0.69 | 0.25 | 0.964 | 0.939 | 0.057 | 0.007 | 58.0 | 50.9 |
| 1 | 1000 | none | 0.15 | 0.69 | 0.0 | 0.952 | 0.951 | 0.260 | 0.251 | 7.5 | 7.5 |
| 1 | 1000 | none | 0.15 | 0.69 | 0.25 | 0.951 | 0.949 | 0.660 | 0.038 | 7.3 | 7.4 |
| 10 | 200 | none | 0.15 | 0.69 | 0.25 | 0.961 | 0.877 | 0.545 | 0.000 | 11.2 | 10.6 |
Macro-F1 (true value 0.565), coverage by bootstrap: 3 seeds, 200 examples: 0.966; 5 seeds, 1000 examples: 0.964.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from regraft import guard
from regraft.core.records import Evaluation

SEED_EFFECT, EXAMPLE_EFFECT, CLUSTER_EFFECT = 0.15, 1.0, 0.7
Trial = tuple[np.ndarray, np.ndarray, list[str] | None, float]


@dataclass(frozen=True)
class Cell:
    """One row: ``ability`` and ``gain`` on the latent scale; ``cluster``: none, equal or unequal."""

    seeds: int
    examples: int
    ability: float = 0.7
    gain: float = 0.25
    cluster: str = "none"
    seed_effect: float = SEED_EFFECT


LOW, HIGH = 0.0, 2.2
CELLS = (
    *(Cell(seeds, n, gain=gain) for seeds in (3, 5) for n in (20, 1000) for gain in (0.0, 0.25)),
    *(Cell(seeds, n, HIGH, gain) for seeds in (3, 5) for n in (20, 1000) for gain in (0.0, 0.25)),
    *(Cell(3, 1000, cluster=kind, gain=gain) for kind in ("equal", "unequal") for gain in (0.0, 0.25)),
    *(Cell(5, 200, cluster=kind, gain=gain) for kind in ("equal", "unequal") for gain in (0.0, 0.25)),
    *(Cell(3, 1000, seed_effect=size, gain=0.0) for size in (0.0, 0.03, 0.06)),
    *(Cell(2, n, gain=0.0) for n in (20, 1000)),
    *(Cell(1, n, gain=gain) for n in (20, 1000) for gain in (0.0, 0.25)),
    Cell(10, 200),
)


def clusters(cell: Cell, rng: np.random.Generator) -> np.ndarray | None:
    """Cluster numbers (N,): about ten examples each, or sizes that differ tenfold and more."""
    if cell.cluster == "none":
        return None
    total = cell.examples // 10
    if cell.cluster == "equal":
        return np.arange(cell.examples) % total
    return rng.choice(total, cell.examples, p=rng.dirichlet(np.ones(total)))


def draw(cell: Cell, rng: np.random.Generator) -> Trial:
    """Utilities of candidate and baseline (S, N), clusters, and the true gain of the population.

    Half of the variance of an example's effect is common to both models, half is a model's own. With one seed the
    truth is that of the two trained models; else it is the mean over all seeds.
    """
    codes = clusters(cell, rng)
    shared, rights, truths = rng.normal(size=cell.examples), [], []
    spread = EXAMPLE_EFFECT**2 + 1 + (CLUSTER_EFFECT**2 if codes is not None else 0)
    for ability in (cell.ability + cell.gain, cell.ability):
        luck = cell.seed_effect * rng.normal(size=(cell.seeds, 1))
        effect = EXAMPLE_EFFECT * np.sqrt(0.5) * (shared + rng.normal(size=cell.examples))
        if codes is not None:
            effect = effect + CLUSTER_EFFECT * rng.normal(size=codes.max() + 1)[codes]
        rights.append((ability + luck + effect + rng.normal(size=(cell.seeds, cell.examples)) > 0).astype(float))
        centre, more = (ability + luck[0, 0], 0.0) if cell.seeds == 1 else (ability, cell.seed_effect**2)
        truths.append(float(ndtr(centre / np.sqrt(spread + more))))
    return rights[0], rights[1], None if codes is None else [str(c) for c in codes], truths[0] - truths[1]


def measure(cell: Cell, trials: int) -> str:
    """One row of the table."""
    rng = np.random.default_rng(20 * cell.seeds + cell.examples)
    covered, helps, hurts, naive = 0, 0, 0, 0
    widths, errors, accuracy = [], [], []
    for _ in range(trials):
        ours, theirs, groups, truth = draw(cell, rng)
        verdict = guard.judge(ours, theirs, groups)
        covered += verdict.gain.low <= truth <= verdict.gain.high
        helps += verdict.outcome == "helps"
        hurts += verdict.outcome == "hurts"
        difference = (ours - theirs).mean(0)
        half = 1.96 * difference.std(ddof=1) / np.sqrt(cell.examples)
        naive += abs(difference.mean() - truth) <= half
        widths.append(verdict.gain.high - verdict.gain.low)
        errors.append(verdict.gain.mean - truth)
        accuracy.append(theirs.mean())
    shares = " | ".join(f"{count / trials:.3f}" for count in (covered, naive, helps, hurts))
    ideal = 2 * 1.96 * float(np.std(errors))
    return (
        f"| {cell.seeds} | {cell.examples} | {cell.cluster} | {cell.seed_effect} | {np.mean(accuracy):.2f}"
        f" | {cell.gain} | {shares} | {100 * np.mean(widths):.1f} | {100 * ideal:.1f} |"
    )


def macro_f1(outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted macro-F1 (R,) of scores (N, K)."""
    classes = np.eye(outputs.shape[1])
    said, true = classes[outputs.argmax(1)], classes[targets]
    return np.asarray((2 * (weights @ (said * true)) / np.maximum(weights @ (said + true), 1e-9)).mean(1))


def scored(seeds: int, examples: int, rng: np.random.Generator) -> Evaluation:
    """Scores of a model over seeds for four classes, the rarest 8%."""
    targets = rng.choice(4, examples, p=(0.5, 0.28, 0.14, 0.08))
    clear = np.eye(4)[targets] * 1.5 + rng.normal(size=(examples, 4))
    luck = rng.normal(scale=SEED_EFFECT, size=(seeds, 1, 4))
    outputs = clear + luck + 0.7 * rng.normal(size=(seeds, examples, 4))
    return Evaluation(outputs, np.zeros((seeds, examples)), targets, ())


def measure_bootstrap(trials: int) -> str:
    """Coverage of the interval for macro-F1, one sentence."""
    rng = np.random.default_rng(7)
    large = [scored(1, 20_000, rng) for _ in range(100)]
    truth = np.mean([macro_f1(one.outputs[0], one.targets, np.ones((1, 20_000)))[0] for one in large])
    rows = []
    for seeds, examples in ((3, 200), (5, 1000)):
        found = [guard.bootstrap(macro_f1, scored(seeds, examples, rng), repeats=200, seed=t) for t in range(trials)]
        share = np.mean([one.low <= truth <= one.high for one in found])
        rows.append(f"{seeds} seeds, {examples} examples: {share:.3f}")
    return f"Macro-F1 (true value {truth:.3f}), coverage by bootstrap: " + "; ".join(rows) + "."


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated coverage of the guard's intervals.")
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print("| seeds | examples | clusters | luck | accuracy | gain", end=" ")
    print("| coverage | naive | helps | hurts | width | ideal |", "\n|" + " --- |" * 12, sep="")
    for cell in CELLS:
        print(measure(cell, trials), flush=True)
    print(measure_bootstrap(max(trials // 2, 2)))


if __name__ == "__main__":
    main()
