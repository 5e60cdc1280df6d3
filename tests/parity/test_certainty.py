"""Temperature, sets, needed trials and worth against closed forms and other libraries; each test names its origin."""

from math import ceil, exp, log, sqrt

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from regraft import guard


def test_temperature_is_that_of_scikit_learn():
    """Origin: sklearn.calibration (1.8 or newer), method "temperature", on a model that was fitted elsewhere."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 6)), rng.integers(0, 3, 300)
    x[np.arange(300), y] += 1.0
    fitted = LogisticRegression(C=10, max_iter=2000).fit(4 * x[:30], y[:30])  # few examples, a weak penalty: too sure
    reference = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature").fit(4 * x[30:], y[30:])
    said = fitted.predict_proba(4 * x[30:])
    fit = guard.fit_temperature(said, y[30:], np.arange(270) % 2)
    np.testing.assert_allclose(guard.scaled(said, fit.value), reference.predict_proba(4 * x[30:]), atol=2e-3)


def test_temperature_by_hand():
    """Origin: by hand. Logits +-3, right in 8 of 10: the loss is least where sigmoid(3 / T) = 0.8, T = 3 / log 4."""
    p = 1 / (1 + exp(-3))
    said, truth = np.tile([[p, 1 - p]], (10, 1)), np.array([0] * 8 + [1] * 2)
    assert guard.fit_temperature(said, truth, np.arange(10) % 2).value == pytest.approx(3 / log(4), rel=1e-4)
    one_label = guard.fit_temperature(said[:, :1], 1 - truth[:, None], np.arange(10) % 2)
    assert one_label.value == pytest.approx(3 / log(4), rel=1e-4)


@pytest.mark.parametrize(("count", "level"), [(19, 0.95), (20, 0.9), (7, 0.5), (50, 0.8)])
def test_sets_cover_by_the_law_of_ranks(count, level):
    """Origin: a new score is at most the k-th of n with probability k / (n + 1) (Vovk et al. 2005), no ties."""
    rng, place = np.random.default_rng(1), ceil((count + 1) * level - 1e-9)
    hits = [rng.random() <= guard.threshold(rng.random(count), level) for _ in range(4000)]
    assert np.mean(hits) == pytest.approx(place / (count + 1), abs=4 * sqrt(0.25 / 4000))


def test_sets_by_hand():
    """Origin: by hand; scores 0.1 0.2 0.4 0.7, level 0.6: the third (0.6 x 5) is the limit, 0.4."""
    said = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    scores = guard.set_scores(said, np.array([0, 0, 1, 0]))
    np.testing.assert_allclose(scores, [0.1, 0.2, 0.4, 0.7])
    limit = guard.threshold(scores, 0.6)
    assert limit == pytest.approx(0.4)
    given = guard.sets(np.array([[0.61, 0.39], [0.55, 0.45]]), limit)
    np.testing.assert_array_equal(given, [[True, False], [True, False]])  # the second would be empty: its first stays


@pytest.mark.parametrize("gain", [0.1, 0.3, 1.0])
def test_needed_of_one_seed_is_the_power_of_the_t_test(gain):
    """Origin: by search: the least N at which (t_0.975 + t_0.8) s / sqrt(N) is no more than the gain; scipy's t."""
    values = np.random.default_rng(2).normal(size=24)
    values += gain - values.mean()
    deviation = values.std(ddof=1)
    wanted = next(
        n for n in range(24, 20_000)
        if (stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1)) * deviation / sqrt(n) <= gain
    )  # fmt: skip
    assert guard.needed(values, np.zeros(24)).examples == wanted


def test_needed_at_the_size_at_hand_is_the_detectable_gain():
    """Origin: algebra: a gain as large as the detectable one of this trial needs this trial."""
    rng = np.random.default_rng(3)
    ours = rng.normal(size=(4, 1)) + rng.normal(size=200) + rng.normal(size=(4, 200))
    theirs = rng.normal(size=(4, 1)) + np.zeros((4, 200))
    detectable = guard.judge(ours, theirs).gain.detectable
    shifted = ours - (ours - theirs).mean() + detectable * 1.000001
    need = guard.needed(shifted, theirs)
    assert (need.examples, need.seeds) == (200, 4)
    less = guard.needed(shifted - 0.01 * detectable, theirs)
    assert less.seeds == 5


def test_worth_by_hand():
    """Origin: by hand; 0.5 is half way from 0.4 at 2 labels to 0.6 at 4 on the log axis: sqrt(8)."""
    flat = [np.full(10, mean) for mean in (0.2, 0.4, 0.6, 0.8)]
    found = guard.worth((1, 2, 4, 8), [np.full(10, 0.5)] * 4, flat)
    for one in found:
        assert (one.equals, one.low, one.high) == pytest.approx((sqrt(8),) * 3)


def test_worth_of_a_curve_that_falls_is_read_off_the_isotonic_fit():
    """Origin: sklearn.isotonic.IsotonicRegression and numpy.interp on its strictly rising part."""
    labels, means = np.array([1, 2, 5, 10]), np.array([0.2, 0.5, 0.4, 0.8])
    fit = IsotonicRegression().fit_transform(np.log(labels), means)
    np.testing.assert_allclose(fit, [0.2, 0.45, 0.45, 0.8])
    wanted = (0.3, 0.45, 0.6, 0.8)
    found = guard.worth(labels, [np.full(9, w) for w in wanted], [np.full(9, m) for m in means])
    hand = [np.exp(np.interp(0.3, [0.2, 0.45], np.log([1, 2]))), 2.0]
    hand += [np.exp(np.interp(0.6, [0.45, 0.8], np.log([5, 10]))), 10.0]
    assert [one.equals for one in found] == pytest.approx(hand)
