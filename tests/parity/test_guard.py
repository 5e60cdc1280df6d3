"""The guard against closed forms, hand-computed values and slow references; each test names its origin."""

from math import comb, sqrt

import numpy as np
import pytest
from scipy import stats

from regraft import guard
from regraft.core.records import Evaluation


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (1, 0), (5, 1), (2, 9), (7, 7), (40, 61)])
def test_mcnemar_is_the_binomial_sum(fixed, broken):
    """Origin: McNemar (1947), exact form: twice the lower tail of Binomial(b + c, 1/2), at most 1."""
    total = fixed + broken
    tail = sum(comb(total, k) for k in range(min(fixed, broken) + 1)) / 2**total
    assert guard.mcnemar(fixed, broken) == pytest.approx(min(1.0, 2 * tail), abs=1e-12)


def test_mcnemar_by_hand():
    """Origin: by hand, 2 (1 + 6) / 64 for 5 against 1."""
    assert guard.mcnemar(5, 1) == pytest.approx(0.21875)


def slow_holm(p_values):
    """Step-down by the definition: the adjusted p is the smallest family level at which the hypothesis falls."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    for rank, index in enumerate(order):
        steps = [(len(p_values) - j) * p_values[order[j]] for j in range(rank + 1)]
        adjusted[index] = min(1.0, max(steps))
    return adjusted


def test_holm_against_a_slow_reference():
    """Origin: Holm (1979); the first case by hand."""
    np.testing.assert_allclose(guard.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 20):
        p_values = np.round(rng.random(size) ** 3, 2)  # rounded, so that there are ties
        np.testing.assert_allclose(guard.holm(p_values), slow_holm(p_values.tolist()), atol=1e-12)


def test_nadeau_bengio_by_hand():
    """Origin: by hand. Differences 1..5, a fifth for testing: s^2 = 2.5, (1/5 + 1/4) 2.5 = 1.125."""
    found, p = guard.nadeau_bengio([1.0, 2.0, 3.0, 4.0, 5.0], test_share=0.2)
    half = 2.7764451051977987 * sqrt(1.125)  # the 0.975 quantile of t with 4 degrees of freedom, from printed tables
    assert (found.mean, found.low, found.high) == pytest.approx((3.0, 3.0 - half, 3.0 + half))
    # the t distribution with 4 degrees of freedom in closed form: P(|T| < t) = 3/2 x - 1/2 x^3, x = t / sqrt(4 + t^2)
    t = 3 / sqrt(1.125)
    x = t / sqrt(4 + t * t)
    assert p == pytest.approx(1 - (1.5 * x - 0.5 * x**3))


def anova(table):
    """Mean squares of a two-way table with one value a cell, by loops.

    Origin: the textbook formulas (Searle, Casella and McCulloch, Variance Components, 1992; any book on crossed
    random effects): E MSA = e + n a, E MSB = e + s b, E MSE = e, var(mean) = (MSA + MSB - MSE) / (s n).
    """
    seeds, total = len(table), len(table[0])
    grand = sum(map(sum, table)) / (seeds * total)
    rows = [sum(row) / total for row in table]
    columns = [sum(row[i] for row in table) / seeds for i in range(total)]
    by_seed = total * sum((r - grand) ** 2 for r in rows) / (seeds - 1)
    by_unit = seeds * sum((c - grand) ** 2 for c in columns) / (total - 1)
    rest = sum((table[s][i] - rows[s] - columns[i] + grand) ** 2 for s in range(seeds) for i in range(total))
    return grand, by_seed, by_unit, rest / ((seeds - 1) * (total - 1))


TABLE = [[2.0, 4.0, 6.0, 9.0], [3.0, 5.0, 9.0, 10.0], [5.0, 6.0, 10.0, 14.0]]


def test_mean_squares_of_the_table_by_hand():
    """Origin: by hand. Rows 21, 27, 35 and columns 10, 15, 25, 33 of 83."""
    # sums of squares 2395/4, 2039/3 and 709, each less 83^2/12: 24.6667, 105.5833 and 134.9167, so 4.6667 remains
    assert anova(TABLE) == pytest.approx((83 / 12, 74 / 6, 1267 / 36, 7 / 9))


def test_crossed_components_match_the_textbook():
    """Origin: ``anova`` above and Satterthwaite's (1946) degrees of freedom, quantile from scipy.stats.

    Our own allowances in the degrees of freedom: of the seeds' mean square (S - 2) / (S - 1) = 1/2 of the remainder,
    which the two models share, is none of theirs; what is left counts (S + 1) / (S - 1) = 2 times.
    """
    mean, by_seed, by_unit, rest = anova(TABLE)
    variance, luck = (by_seed + by_unit - rest) / 12, by_seed - rest / 4
    freedom = (12 * variance + luck) ** 2 / ((2 * luck) ** 2 / 2 + by_unit**2 / 3 + rest**2 / 6)
    half = stats.t.ppf(0.975, freedom) * sqrt(variance)
    found = guard.judge(np.array(TABLE) - 3.25, np.full((3, 4), -3.25)).gain
    assert (found.mean, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    power = (stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)) * sqrt(variance)
    assert found.detectable == pytest.approx(power)


def test_negative_components_count_as_none():
    """Origin: ``anova``; here the rows vary less than the remainder, so var(mean) = MSB / (s n)."""
    table = [[1.0, 5.0, 2.0, 9.1], [2.0, 3.0, 5.0, 7.0], [0.0, 4.0, 4.0, 9.0]]
    _, by_seed, by_unit, rest = anova(table)
    assert by_seed < rest < by_unit
    luck = max(by_seed - rest / 2, 0)
    freedom = (by_unit + luck) ** 2 / ((2 * luck) ** 2 / 2 + by_unit**2 / 3 + rest**2 / 6)
    half = stats.t.ppf(0.95, max(freedom, 2)) * sqrt(by_unit / 12)
    found = guard.interval(table, level=0.9)
    assert found.high - found.low == pytest.approx(2 * half)


def test_one_seed_is_the_t_interval():
    """Origin: scipy.stats.ttest_1samp on the differences of one seed (utilities that are not right or wrong)."""
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(size=(2, 1, 30))
    reference = stats.ttest_rel(ours[0], theirs[0]).confidence_interval(0.95)
    gain = guard.judge(ours, theirs).gain
    assert (gain.low, gain.high) == pytest.approx((reference.low, reference.high))


def test_equal_clusters_are_their_means():
    """Origin: algebra; with equal clusters the mean of means is the mean, so a cluster may stand as one example."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(3, 8, 5)) + rng.normal(size=(8, 1))
    groups = [f"g{g}" for g in range(8) for _ in range(5)]
    by_group, by_mean = guard.interval(values.reshape(3, 40), groups), guard.interval(values.mean(2))
    assert (by_group.low, by_group.high) == pytest.approx((by_mean.low, by_mean.high))


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 2.0])
def test_equivalence_is_two_one_sided_tests(margin):
    """Origin: Schuirmann (1987): the larger p of two one-sided t tests (scipy.stats), one seed."""
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(size=(2, 25))
    difference = ours - theirs
    above = stats.ttest_1samp(difference, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(difference, margin, alternative="less").pvalue
    found = guard.judge(ours, theirs, margin=margin).tests["equivalence_p"]
    assert found == pytest.approx(max(above, below))


def test_seed_test_is_the_paired_t_test():
    """Origin: scipy.stats.ttest_rel on the means of five seeds."""
    ours, theirs = np.random.default_rng(4).normal(size=(2, 5, 12))
    reference = stats.ttest_rel(ours.mean(1), theirs.mean(1)).pvalue
    assert guard.judge(ours, theirs).tests["seed_t_p"] == pytest.approx(reference)


def test_bootstrap_of_a_mean_is_the_interval_of_the_mean():
    """Origin: for a mean the resampled parts of the variance tend to the mean squares of ``interval``."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(4, 1)) * 0.1 + rng.normal(size=300) + rng.normal(size=(4, 300))
    record = Evaluation(values, values, np.zeros(300), ())

    def mean(outputs, targets, weights):
        return weights @ outputs / weights.sum(1)

    found, exact = guard.bootstrap(mean, record, repeats=4000), guard.interval(record)
    assert found.mean == pytest.approx(exact.mean)
    assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=0.05)
