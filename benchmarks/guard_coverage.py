"""How often the guard's intervals hold the truth: a simulation, printed as a Markdown table.

    python benchmarks/guard_coverage.py                       (1000 comparisons a row, 30 s)

An answer is right if ability + luck of the run + effect of the example (+ effect of its cluster) + noise > 0, on the
latent probit scale. Standard deviations: luck as in its column (two numbers: the baseline's and the candidate's; r:
the correlation of their luck over the seeds), example 1.0 (half of its variance common to both models), cluster 0.7,
noise 1. ``gain`` is the candidate's extra ability.

``coverage``: of the 95% interval of the gain in accuracy. ``naive``: of the interval that takes seeds for fixed and
examples for independent. ``helps`` and ``hurts``: how often the verdict says so. ``width``: mean, in points; ``ideal``:
if the standard error were known. With few seeds nobody reaches ideal: where luck dominates, the 0.975 quantile of t is
2.8 for 3 seeds at best, against 1.96. With 1 seed the truth is that of the two models at hand, not of the recipe: there
equal recipes give unequal models, and the verdict's sentence says that luck in training was not measured.

Expected: coverage at least 0.92 in every row; with gain 0 and 2 seeds or more, helps at most 0.05. The table as it was
measured, with 2000 comparisons a row, is in docs/concepts.md.
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
    """One row: ``ability`` and ``gain`` on the latent scale; ``cluster``: none, equal or unequal.

    ``calm``: the candidate's luck, as a share of the baseline's; ``common``: correlation of their luck, seed by seed.
    """

    seeds: int
    examples: int
    ability: float = 0.7
    gain: float = 0.25
    cluster: str = "none"
    seed_effect: float = SEED_EFFECT
    calm: float = 1.0
    common: float = 0.0


LOW, HIGH = 0.0, 2.2
CELLS = (
    *(Cell(seeds, n, gain=gain) for seeds in (3, 5) for n in (20, 1000) for gain in (0.0, 0.25)),
    *(Cell(seeds, n, HIGH, gain) for seeds in (3, 5) for n in (20, 1000) for gain in (0.0, 0.25)),
    *(Cell(3, 1000, cluster=kind, gain=gain) for kind in ("equal", "unequal") for gain in (0.0, 0.25)),
    *(Cell(5, 200, cluster=kind, gain=gain) for kind in ("equal", "unequal") for gain in (0.0, 0.25)),
    *(Cell(3, 1000, seed_effect=size, gain=0.0) for size in (0.0, 0.03, 0.06)),
    *(Cell(seeds, 1000, calm=0.1, gain=0.0) for seeds in (2, 3, 5)),
    *(Cell(3, 1000, common=share, gain=0.0) for share in (-0.5, 0.5)),
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
    lucky = rng.normal(size=(2, cell.seeds, 1))
    lucky[1] = cell.common * lucky[0] + np.sqrt(1 - cell.common**2) * lucky[1]
    spread = EXAMPLE_EFFECT**2 + 1 + (CLUSTER_EFFECT**2 if codes is not None else 0)
    for ability, size, unit in ((cell.ability + cell.gain, cell.calm, lucky[0]), (cell.ability, 1.0, lucky[1])):
        luck = cell.seed_effect * size * unit
        effect = EXAMPLE_EFFECT * np.sqrt(0.5) * (shared + rng.normal(size=cell.examples))
        if codes is not None:
            effect = effect + CLUSTER_EFFECT * rng.normal(size=codes.max() + 1)[codes]
        rights.append((ability + luck + effect + rng.normal(size=(cell.seeds, cell.examples)) > 0).astype(float))
        centre, more = (ability + luck[0, 0], 0.0) if cell.seeds == 1 else (ability, (cell.seed_effect * size) ** 2)
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
        f"| {cell.seeds} | {cell.examples} | {cell.cluster} | {_luck(cell)} | {np.mean(accuracy):.2f}"
        f" | {cell.gain} | {shares} | {100 * np.mean(widths):.1f} | {100 * ideal:.1f} |"
    )


def _luck(cell: Cell) -> str:
    """The luck as the table shows it."""
    calm = f", {cell.calm * cell.seed_effect:g}" if cell.calm != 1 else ""
    return f"{cell.seed_effect:g}{calm}" + (f", r {cell.common:g}" if cell.common else "")


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
