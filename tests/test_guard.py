"""What a verdict must do, whatever the numbers."""

import time

import numpy as np
import pytest

from regraft import guard
from regraft.core.errors import UserError
from regraft.core.gauge import NUMBERS
from regraft.core.records import Evaluation
from regraft.tasks.classification import Classification


def trial(rng, seeds, examples, gain=0.0, luck=0.15):
    """Right or wrong for two models: seed effects, an example effect, noise (latent probit scale)."""
    hard = rng.normal(size=examples)
    right = [
        (level + luck * rng.normal(size=(seeds, 1)) + hard + rng.normal(size=(seeds, examples)) > 0).astype(float)
        for level in (0.5 + gain, 0.5)
    ]
    return right[0], right[1]


@pytest.mark.parametrize(("seeds", "examples"), [(3, 20), (3, 1000), (5, 1000)])
def test_null_is_covered_and_rarely_helps(seeds, examples):
    rng = np.random.default_rng(seeds + examples)
    outcomes = [guard.judge(*trial(rng, seeds, examples)).outcome for _ in range(600)]
    # 0.05 and 0.08 are what is promised; the rest is three standard errors of 600 trials
    assert outcomes.count("helps") <= 600 * 0.05 + 3 * np.sqrt(600 * 0.05 * 0.95)
    assert 600 - outcomes.count("undecided") <= 600 * 0.08 + 3 * np.sqrt(600 * 0.08 * 0.92)


def no_gain(rng, examples, clusters):
    """As `trial` without a gain; nine in ten examples are easy, clusters of five share what a model makes of them."""
    hard, easy = rng.normal(size=examples), np.where(rng.random(examples) < 0.9, 0.6, -1.0)
    codes = np.arange(examples) // 5
    right = []
    for _ in range(2):
        own = rng.normal(size=len(codes))[codes] * clusters
        noise = rng.normal(size=(3, examples)) + 0.15 * rng.normal(size=(3, 1))
        right.append((easy + hard + own + noise > 0).astype(float))
    return *right, [str(code) for code in codes] if clusters else None


@pytest.mark.parametrize("clusters", [0, 1])
@pytest.mark.parametrize("examples", [20, 100, 1000])
def test_no_gain_is_covered_with_easy_classes_and_clusters(examples, clusters):
    """The promise is 0.92 at least, and 0.05 of "helps" at most; three standard errors of 300 trials beside it.

    A guard that takes seeds for fixed, or clusters for independent examples, covers too few of the trials.
    """
    rng = np.random.default_rng(examples + clusters)
    found = [guard.judge(*no_gain(rng, examples, clusters)) for _ in range(300)]
    assert np.mean([v.gain.low <= 0 <= v.gain.high for v in found]) > 0.92 - 3 * np.sqrt(0.92 * 0.08 / 300)
    assert np.mean([v.outcome == "helps" for v in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_true_gain_is_covered_and_found():
    rng = np.random.default_rng(0)
    large = trial(rng, 400, 20_000, 0.5)
    truth = (large[0].mean(1) - large[1].mean(1)).mean()
    found = [guard.judge(*trial(rng, 5, 500, 0.5)) for _ in range(400)]
    assert np.mean([v.gain.low <= truth <= v.gain.high for v in found]) > 0.9
    assert np.mean([v.outcome == "helps" for v in found]) > 0.8


def test_detectable_gain_is_found_in_four_of_five_trials():
    rng = np.random.default_rng(1)
    null = [guard.judge(rng.normal(size=(8, 200)), np.zeros((8, 200))).gain.detectable for _ in range(50)]
    shift = float(np.mean(null))
    outcomes = [guard.judge(rng.normal(size=(8, 200)) + shift, np.zeros((8, 200))).outcome for _ in range(500)]
    assert 0.74 < outcomes.count("helps") / 500 < 0.92


def test_two_models_have_twice_the_degrees_of_freedom():
    """Where luck dominates, the interval is Welch's, with 2 (S - 1) degrees of freedom for equal spreads.

    Worked by hand for 5 seeds, spread 1 each, very many equal examples: the standard error is sqrt(2 / 5), and the
    seed parts count (S + 1) / (S - 1) = 1.5 times in both terms of Satterthwaite's formula, so df = 8.
    """
    luck = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])[:, None] / np.sqrt(0.625)
    ours, theirs = np.repeat(luck, 5000, 1), np.repeat(luck[[3, 1, 4, 0, 2]], 5000, 1)
    half = guard.judge(ours, theirs).gain.high
    assert half == pytest.approx(2.306 * np.sqrt(2 / 5), rel=0.01)
    assert guard.interval(ours).high == pytest.approx(2.776 * np.sqrt(1 / 5), rel=0.01)


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(2)
    codes = np.repeat(np.arange(20), [5] * 10 + [25] * 10)
    values = rng.normal(size=20)[codes] + 0.3 * rng.normal(size=(3, 300))
    alone = guard.interval(values)
    grouped = guard.interval(values, [f"patient {c}" for c in codes])
    assert grouped.mean == pytest.approx(alone.mean)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize("grouped", [False, True])
def test_order_changes_nothing(grouped):
    rng = np.random.default_rng(3)
    ours, theirs = rng.random((2, 4, 60))
    groups = np.array([f"g{i % 11}" for i in range(60)]) if grouped else None
    rows, columns = rng.permutation(4), rng.permutation(60)
    before = guard.judge(ours, theirs, groups)
    moved = None if groups is None else groups[columns]
    after = guard.judge(ours[rows][:, columns], theirs[rows][:, columns], moved)
    assert (after.gain.low, after.gain.high) == pytest.approx((before.gain.low, before.gain.high))
    assert after.tests == pytest.approx(before.tests)


def test_swapping_the_models_mirrors_the_verdict():
    ours, theirs = trial(np.random.default_rng(4), 3, 400, 1.2)
    one, other = guard.judge(ours, theirs), guard.judge(theirs, ours)
    assert (one.outcome, other.outcome) == ("helps", "hurts")
    assert (one.gain.low, one.gain.high) == pytest.approx((-other.gain.high, -other.gain.low))
    assert (one.tests["fixed"], one.tests["mcnemar_p"]) == (other.tests["broken"], other.tests["mcnemar_p"])


@pytest.mark.parametrize("binary", [False, True])
def test_a_constant_shifts_the_interval(binary):
    rng = np.random.default_rng(5)
    ours, theirs = trial(rng, 3, 100) if binary else rng.normal(size=(2, 3, 100))
    one, other = guard.judge(ours, theirs).gain, guard.judge(ours + 2.5, theirs).gain
    assert (other.low, other.mean, other.high) == pytest.approx((one.low + 2.5, one.mean + 2.5, one.high + 2.5))


def test_a_scale_scales_the_interval():
    ours, theirs = np.random.default_rng(6).normal(size=(2, 3, 50))
    one, other = guard.judge(ours, theirs).gain, guard.judge(8 * ours, 8 * theirs).gain
    assert (other.low, other.high, other.detectable) == pytest.approx((8 * one.low, 8 * one.high, 8 * one.detectable))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.3, -7.0])
def test_equal_models_are_undecided(seeds, value):
    same = np.full((seeds, 10), value)
    verdict = guard.judge(same, same)
    assert verdict.outcome == "undecided"
    assert verdict.gain.mean == 0
    assert np.isfinite([verdict.gain.low, verdict.gain.high, verdict.gain.detectable]).all()
    assert verdict.gain.low <= 0 <= verdict.gain.high


def test_few_equal_answers_are_no_proof_of_equality():
    assert guard.judge(np.ones((3, 10)), np.ones((3, 10))).tests["equivalence_p"] > 0.2
    assert guard.judge(np.ones((3, 5000)), np.ones((3, 5000))).sentence.startswith("No difference that matters")


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_example_or_one_cluster_decides_nothing(seeds):
    one = guard.judge(np.ones((seeds, 1)), np.zeros((seeds, 1)))
    assert (one.outcome, one.gain.low, one.gain.high) == ("undecided", -1.0, 1.0)
    assert "only one independent example" in one.sentence
    assert guard.judge(np.ones((seeds, 9)), np.zeros((seeds, 9)), ["a"] * 9).outcome == "undecided"


def test_intervals_of_shares_stay_shares():
    found = guard.interval(np.ones((2, 6)))
    assert found.mean == found.high == 1
    assert 0.5 < found.low < 1


def test_sentences():
    helps = guard.judge(*trial(np.random.default_rng(7), 3, 400, 0.8))
    assert helps.sentence == guard.describe(helps)
    gain = helps.gain
    mean, low, high = (f"{100 * value:.1f}" for value in (gain.mean, gain.low, gain.high))
    expected = f"accuracy is {mean} points higher than from scratch (95% interval {low} to {high} points)."
    assert helps.sentence == f"The transfer helps: {expected}"
    worse = guard.judge([0.0] * 50, [3.0] * 49 + [2.5])
    hurts = guard.describe(worse, "log likelihood", "with a probe", percent=False)
    start = "The transfer hurts: log likelihood is 2.99 lower than with a probe (95% interval 2.97 to 3.01"
    assert hurts.startswith(start)
    assert hurts.endswith("only one seed was run, so luck in training was not measured).")
    unsure = guard.judge(*trial(np.random.default_rng(8), 3, 40)).sentence
    assert unsure.startswith("Cannot tell: the gain in accuracy over a model from scratch is ")
    assert "smallest gain this comparison could have seen" in unsure


def test_one_seed_is_the_same_as_a_row():
    ours, theirs = np.random.default_rng(9).random((2, 1, 30))
    assert guard.judge(ours, theirs) == guard.judge(ours[0], theirs[0].tolist())


def record(utility, ids=("a", "b", "c", "d"), groups=None):
    return Evaluation(utility[..., None], utility, np.zeros(utility.shape[1]), ids, groups)


def test_evaluations_bring_their_groups():
    ours, theirs = np.random.default_rng(10).random((2, 2, 4))
    groups = ("x", "x", "y", "z")
    assert guard.judge(record(ours, groups=groups), record(theirs)) == guard.judge(ours, theirs, groups)
    assert guard.interval(record(ours, groups=groups)) == guard.interval(ours, groups)


def test_mistakes_are_named():
    good = np.random.default_rng(11).random((2, 4))
    bad = good.copy()
    bad[0, 1] = np.nan
    cases = [
        (lambda: guard.judge(good, good[:, :3]), "same seeds and examples"),
        (lambda: guard.judge(good, bad), "finite"),
        (lambda: guard.judge(good[:, :0], good[:, :0]), "shape"),
        (lambda: guard.judge(good[None], good[None]), "shape"),
        (lambda: guard.judge([[1, 1], [1]], good), "as many examples for each seed"),
        (lambda: guard.judge(good, good, ["a"]), "groups"),
        (lambda: guard.judge(good, good, level=95), "level"),
        (lambda: guard.judge(good, good, margin=-1), "margin"),
        (lambda: guard.judge(record(good), record(good, ("a", "b", "d", "c"))), "order"),
        (lambda: guard.holm([0.5, np.nan]), "p-values"),
        (lambda: guard.mcnemar(-1, 2), "negative"),
        (lambda: guard.nadeau_bengio([0.1], 0.2), "two differences"),
        (lambda: guard.nadeau_bengio([0.1, 0.2], 20), "share"),
        (lambda: guard.bootstrap(lambda o, t, w: np.full(len(w), np.nan), record(good)), "metric"),
    ]
    for mistake, words in cases:
        with pytest.raises(UserError, match=words):
            mistake()


def macro_f1(outputs, targets, weights):
    classes = np.eye(outputs.shape[1])
    said, true = classes[outputs.argmax(1)], classes[targets]
    return (2 * (weights @ (said * true)) / np.maximum(weights @ (said + true), 1e-9)).mean(1)


def scores(rng, seeds, examples, clear):
    targets = rng.integers(0, 10, examples)
    common = clear * np.eye(10)[targets] + rng.normal(size=(examples, 10))
    return common + 0.5 * rng.normal(size=(seeds, examples, 10)), targets


def test_bootstrap_of_macro_f1_is_quick_and_repeatable():
    rng = np.random.default_rng(12)
    outputs, targets = scores(rng, 5, 2000, 2.0)
    one = Evaluation(outputs, np.zeros((5, 2000)), targets, ())
    start = time.perf_counter()
    found = [guard.bootstrap(macro_f1, one) for _ in range(4)]
    spent = time.perf_counter() - start
    assert spent < 5  # half a second on an idle core; generous, as test machines are shared
    assert found[0] == found[1]
    assert found[0].low < found[0].mean < found[0].high


def test_bootstrap_keeps_clusters_together():
    outputs, targets = scores(np.random.default_rng(13), 1, 40, 1.0)
    many = Evaluation(np.repeat(outputs, 5, 1), np.zeros((1, 200)), np.repeat(targets, 5), ())
    groups = tuple(f"g{i // 5}" for i in range(200))
    grouped = Evaluation(many.outputs, many.utility, many.targets, (), groups)
    one, all_alone = guard.bootstrap(macro_f1, grouped), guard.bootstrap(macro_f1, many)
    assert one.mean == pytest.approx(all_alone.mean)
    assert one.high - one.low > 1.5 * (all_alone.high - all_alone.low)


@pytest.mark.parametrize(("sign", "outcome", "way"), [(1, "helps", "lower"), (-1, "hurts", "higher")])
def test_errors_that_fall_are_told_as_errors(sign, outcome, way):
    rng = np.random.default_rng(0)
    theirs = -np.abs(rng.normal(1, 0.1, (3, 200)))
    verdict = guard.judge(theirs + 0.2 * sign, theirs)
    said = guard.describe(verdict, NUMBERS)
    assert verdict.outcome == outcome
    assert said.startswith(f"The transfer {outcome}: mean absolute error is 0.2 standard deviations {way} than from")
    unclear = guard.describe(guard.judge(theirs + rng.normal(0, 0.3, theirs.shape), theirs), NUMBERS)
    assert unclear.startswith("Cannot tell: the reduction of mean absolute error against a model from scratch is ")
    assert "the smallest reduction this comparison could have seen is " in unclear
    assert "points" not in said + unclear


def test_the_gauge_of_classification_is_the_default():
    rng = np.random.default_rng(1)
    verdict = guard.judge(rng.integers(0, 2, (3, 60)), rng.integers(0, 2, (3, 60)))
    assert guard.describe(verdict, Classification().gauge) == verdict.sentence
