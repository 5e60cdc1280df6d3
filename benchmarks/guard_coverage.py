"""How often the guard's intervals hold the truth: a simulation, printed as a Markdown table.

    python benchmarks/guard_coverage.py                       (1000 comparisons a row, 2 minutes)

An answer is right if ability + luck of the run + effect of the example (+ effect of its cluster) + noise > 0, on the
latent probit scale. Standard deviations: luck as in its column (two numbers: the baseline's and the candidate's; r:
the correlation of their luck over the seeds), example 1.0 (half of its variance common to both models), cluster 0.7,
noise 1. ``gain`` is the candidate's extra ability.

``coverage``: of the 95% interval of the gain in accuracy. ``naive``: of the interval that takes seeds for fixed and
examples for independent. ``helps`` and ``hurts``: how often the verdict says so. ``width``: mean, in points; ``ideal``:
if the standard error were known. With few seeds nobody reaches ideal: where luck dominates, the 0.975 quantile of t is
2.8 for 3 seeds at best, against 1.96. With 1 seed the truth is that of the two models at hand, not of the recipe: there
equal recipes give unequal models, and the verdict's sentence says that luck in training was not measured.

A second table sets the guard beside what is usual, with gain 0, coverage and mean width in points: ``bootstrap``, the
plain two-level percentile bootstrap (seeds of each model and examples redrawn); ``Satterthwaite``, the same crossed
components without the guard's two corrections. ``skewed``: nine in ten examples are of an easy class, one of a hard
one. A third one has macro-F1 by ``guard.bootstrap``.

Expected: coverage at least 0.92 in every row of the guard's, but where r is below 0; with gain 0 and 2 seeds or more,
helps at most 0.05. The tables as they were measured are in docs/concepts.md.
"""

import argparse
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, stdtrit

from regraft import guard
from regraft.core.records import Evaluation
from regraft.guard._errors import differing

SEED_EFFECT, EXAMPLE_EFFECT, CLUSTER_EFFECT = 0.15, 1.0, 0.7
Trial = tuple[np.ndarray, np.ndarray, list[str] | None, float]


@dataclass(frozen=True)
class Cell:
    """One row: ``ability`` and ``gain`` on the latent scale; ``cluster``: none, equal (of ten), unequal or fives.

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
    skewed: bool = False


LOW, HIGH = 0.0, 2.2
SKEW = (1.0, -1.5)
GRID = tuple(
    Cell(seeds, n, gain=0.0, cluster=kind, skewed=skewed)
    for seeds in (2, 3, 5) for n in (20, 100, 1000) for skewed in (False, True) for kind in ("none", "fives")
)  # fmt: skip
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
    total = cell.examples // (5 if cell.cluster == "fives" else 10)
    if cell.cluster == "fives":
        return np.arange(cell.examples) % total
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
    easy = np.where(rng.random(cell.examples) < 0.9, *SKEW) if cell.skewed else np.zeros(cell.examples)
    spread = EXAMPLE_EFFECT**2 + 1 + (CLUSTER_EFFECT**2 if codes is not None else 0)
    for ability, size, unit in ((cell.ability + cell.gain, cell.calm, lucky[0]), (cell.ability, 1.0, lucky[1])):
        luck = cell.seed_effect * size * unit
        effect = EXAMPLE_EFFECT * np.sqrt(0.5) * (shared + rng.normal(size=cell.examples))
        if codes is not None:
            effect = effect + CLUSTER_EFFECT * rng.normal(size=codes.max() + 1)[codes]
        rights.append((ability + luck + easy + effect + rng.normal(size=(cell.seeds, cell.examples)) > 0).astype(float))
        centre, more = (ability + luck[0, 0], 0.0) if cell.seeds == 1 else (ability, (cell.seed_effect * size) ** 2)
        levels = ndtr((centre + np.array(SKEW if cell.skewed else (0.0, 0.0))) / np.sqrt(spread + more))
        truths.append(float(0.9 * levels[0] + 0.1 * levels[1]))
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


def two_level(ours: np.ndarray, theirs: np.ndarray, groups: list[str] | None, weights: np.ndarray) -> tuple[float, ...]:
    """The plain percentile bootstrap: units by ``weights`` (R, G), seeds of each model redrawn for each resample."""
    sums = [one if groups is None else one.reshape(len(one), -1, weights.shape[1]).sum(1) for one in (ours, theirs)]
    rng, seeds = np.random.default_rng(0), len(ours)
    draws = [rng.multinomial(seeds, np.full(seeds, 1 / seeds), len(weights)) for _ in sums]
    total = weights.sum(1) * seeds * ours.shape[1] / weights.shape[1]
    values = [((weights @ one.T) * drawn).sum(1) / total for one, drawn in zip(sums, draws, strict=True)]
    low, high = np.quantile(values[0] - values[1], (0.025, 0.975))
    return float(low), float(high)


def plain(ours: np.ndarray, theirs: np.ndarray, groups: list[str] | None) -> tuple[float, ...]:
    """Crossed components with Satterthwaite's degrees of freedom and no correction; equal clusters by their means."""
    if groups is not None:
        ours, theirs = (one.reshape(len(one), 5, -1).mean(1) for one in (ours, theirs))
    parts = replace(differing(ours, theirs, None), coarse=0.0)
    each, seeds, units = parts.each, parts.seeds, parts.units
    variance = max(sum(each) - parts.rest, 0.0) + max(parts.unit - parts.rest, 0.0) + parts.rest
    doubt = (sum(one**2 for one in each) + parts.rest**2 / (units - 1)) / (seeds - 1) + parts.unit**2 / (units - 1)
    mean = float((ours - theirs).mean())
    half = float(np.sqrt(variance) * stdtrit(variance**2 / doubt if doubt else 1.0, 0.975)) if variance else 0.0
    return mean - half, mean + half


def compare(cell: Cell, trials: int) -> str:
    """One row of the second table."""
    rng = np.random.default_rng(7 * cell.seeds + cell.examples)
    units = cell.examples if cell.cluster == "none" else cell.examples // 5
    weights = rng.multinomial(units, np.full(units, 1 / units), 400).astype(float)
    found = []
    for _ in range(trials):
        ours, theirs, groups, truth = draw(cell, rng)
        gain = guard.judge(ours, theirs, groups).gain
        ends = ((gain.low, gain.high), two_level(ours, theirs, groups, weights), plain(ours, theirs, groups))
        found.append([value for low, high in ends for value in (low <= truth <= high, high - low)])
    means = np.array(found, dtype=float).mean(0)
    shown = " | ".join(f"{means[k]:.3f} ({100 * means[k + 1]:.1f})" for k in (0, 2, 4))
    kind = f"{'skewed' if cell.skewed else 'even'} | {cell.cluster}"
    return f"| {cell.seeds} | {cell.examples} | {kind} | {shown} |"


def macro_f1(outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted macro-F1 (R,) of scores (N, K), over the classes that a resample has."""
    classes = np.eye(outputs.shape[1])
    said, true = classes[outputs.argmax(1)], classes[targets]
    real = weights @ true
    each = 2 * (weights @ (said * true)) / np.maximum(weights @ (said + true), 1e-9)
    return np.asarray((each * (real > 0)).sum(1) / (real > 0).sum(1))


def scored(cell: Cell, rng: np.random.Generator) -> Evaluation:
    """Scores of a model over seeds for four classes; skewed: the rarest has 8%. Clusters of five share an effect."""
    many, share = cell.examples, (0.5, 0.28, 0.14, 0.08) if cell.skewed else (0.25,) * 4
    targets = rng.choice(4, many, p=share)
    clear = np.eye(4)[targets] * 1.5 + rng.normal(size=(many, 4))
    groups = None
    if cell.cluster == "fives":
        codes = np.arange(many) % (many // 5)
        clear = clear + CLUSTER_EFFECT * rng.normal(size=(many // 5, 4))[codes]
        groups = tuple(str(code) for code in codes)
    luck = rng.normal(scale=SEED_EFFECT, size=(cell.seeds, 1, 4))
    outputs = clear + luck + 0.7 * rng.normal(size=(cell.seeds, many, 4))
    return Evaluation(outputs, np.zeros((cell.seeds, many)), targets, (), groups)


def measure_macro(cell: Cell, trials: int) -> str:
    """One row of the third table."""
    rng = np.random.default_rng(11)
    large = [scored(replace(cell, seeds=1, examples=20_000), rng) for _ in range(60)]
    truth = np.mean([macro_f1(one.outputs[0], one.targets, np.ones((1, 20_000)))[0] for one in large])
    found = [guard.bootstrap(macro_f1, scored(cell, rng), repeats=200, seed=t) for t in range(trials)]
    share, bias = np.mean([one.low <= truth <= one.high for one in found]), np.mean([one.mean for one in found]) - truth
    width = np.mean([one.high - one.low for one in found])
    kind = f"{'skewed' if cell.skewed else 'even'} | {cell.cluster}"
    return f"| {cell.seeds} | {cell.examples} | {kind} | {share:.3f} | {100 * width:.1f} | {100 * bias:+.1f} |"


def first_table(trials: int) -> None:
    print("| seeds | examples | clusters | luck | accuracy | gain", end=" ")
    print("| coverage | naive | helps | hurts | width | ideal |", "\n|" + " --- |" * 12, sep="")
    for cell in CELLS:
        print(measure(cell, trials), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated coverage of the guard's intervals.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--compare", action="store_true", help="the second and third table only")
    options = parser.parse_args()
    trials = options.trials
    if not options.compare:
        first_table(trials)
    print(
        "\n| seeds | examples | classes | clusters | guard | bootstrap | Satterthwaite |", "\n|" + " --- |" * 7, sep=""
    )
    for cell in GRID:
        print(compare(cell, max(trials // 2, 2)), flush=True)
    print("\n| seeds | examples | classes | clusters | coverage | width | bias |", "\n|" + " --- |" * 7, sep="")
    for cell in GRID:
        print(measure_macro(cell, max(trials // 5, 2)), flush=True)


if __name__ == "__main__":
    main()
