"""Temperature, sets, the size of a trial that would decide, and the worth in labels: what must hold."""

import numpy as np
import pytest
import torch

from regraft import guard
from regraft.core.errors import UserError
from regraft.core.gauge import CLASSES, NUMBERS
from regraft.training import run


def sample(rng, count, sharpness):
    """Classes drawn by true probabilities (N, 4), and what a model says that is so much too sure."""
    logits = 1.5 * rng.normal(size=(count, 4))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (true.cumsum(1) < rng.random((count, 1))).sum(1).clip(max=3)
    said = np.exp(sharpness * logits)
    return said / said.sum(1, keepdims=True), truth


def test_a_temperature_is_found_and_applied_where_it_helps():
    rng = np.random.default_rng(0)
    for sharpness in (0.5, 2.0):
        said, truth = sample(rng, 2000, sharpness)
        fit = guard.fit_temperature(said, truth, np.arange(2000) % 3)
        assert fit.value == pytest.approx(sharpness, rel=0.15)
        assert fit.helps
        right = guard.scaled(said, fit.value)
        assert np.allclose(right.sum(1), 1)
        assert (right.argmax(1) == said.argmax(1)).all()


def test_few_labels_that_are_fine_keep_their_probabilities():
    """Of models that are as sure as they should be about a sixth (one standard error) or fewer are changed."""
    rng = np.random.default_rng(1)
    fits = [guard.fit_temperature(*sample(rng, 30, 1.0), np.arange(30) % 3) for _ in range(60)]
    assert np.mean([fit.helps for fit in fits]) < 0.3


def test_clusters_make_a_temperature_less_sure():
    said, truth = sample(np.random.default_rng(2), 40, 1.5)
    many = guard.fit_temperature(np.repeat(said, 10, 0), np.repeat(truth, 10), np.repeat(np.arange(40) % 3, 10))
    groups = [str(i // 10) for i in range(400)]
    tied = guard.fit_temperature(np.repeat(said, 10, 0), np.repeat(truth, 10), np.repeat(np.arange(40) % 3, 10), groups)
    assert tied.gain == many.gain
    assert tied.error > 2 * many.error


def test_one_example_and_certain_mistakes_are_finite():
    fit = guard.fit_temperature(np.array([[1.0, 0.0]]), np.array([1]), np.zeros(1))
    assert np.isfinite([fit.value, fit.gain, fit.error]).all()
    assert not fit.helps
    sets = np.array([[1, 0], [0, 1]])
    assert np.isfinite(guard.fit_temperature(np.array([[1.0, 0.0], [1.0, 0.0]]), sets, np.arange(2)).value)


def test_sets_hold_the_truth_as_often_as_asked():
    rng = np.random.default_rng(3)
    held, sizes = [], []
    for _ in range(200):
        said, truth = sample(rng, 150, 2.5)  # far too sure: the promise does not need calibrated probabilities
        limit = guard.threshold(guard.set_scores(said[:50], truth[:50]), 0.9)
        within = guard.sets(said[50:], limit)
        held.append(guard.holds(within, truth[50:]).mean())
        sizes.append(within.sum(1).mean())
        assert within.any(1).all()
    assert 0.9 <= np.mean(held) + 0.01 < 0.95
    assert 1 < np.mean(sizes) < 4


def test_label_sets_hold_all_labels():
    rng = np.random.default_rng(4)
    said = rng.random((400, 3))
    truth = (rng.random((400, 3)) < said).astype(int)
    limit = guard.threshold(guard.set_scores(said[:200], truth[:200]), 0.8)
    within = guard.sets(said[200:], limit, exclusive=False)
    assert guard.holds(within, truth[200:]).mean() > 0.72
    assert guard.holds(within, np.zeros((200, 3))).all()


def test_too_few_examples_need_everything():
    assert guard.least(0.95) == 19
    assert guard.threshold(np.arange(18), 0.95) == np.inf
    assert guard.threshold(np.arange(19), 0.95) == 18
    assert guard.sets(np.array([[0.9, 0.1]]), np.inf).all()
    assert guard.threshold([], 0.5) == np.inf


def test_the_model_question_has_fixed_weights():
    rng = np.random.default_rng(5)
    hard = rng.normal(size=400)
    ours, theirs = (
        ((level + rng.normal(size=(3, 1)) + hard + rng.normal(size=(3, 400))) > 0).astype(float) for level in (0.3, 0)
    )
    model = guard.judge_model(ours, theirs)
    assert model == guard.judge(ours[0], theirs[0])
    assert model.gain.high - model.gain.low < guard.judge(ours, theirs).gain.high - guard.judge(ours, theirs).gain.low
    assert guard.describe_model(model, CLASSES).startswith(
        "This very model is " if model.outcome != "undecided" else "Wh"
    )


def test_both_answers_in_words():
    theirs = -np.abs(np.random.default_rng(6).normal(1, 0.1, (2, 90)))
    better, worse = guard.judge_model(theirs + 0.2, theirs), guard.judge_model(theirs - 0.2, theirs)
    assert "is better than the one from scratch: its mean absolute error is 0.2 standard deviations lower" in (
        guard.describe_model(better, NUMBERS)
    )
    assert "is worse than the one without adaptation" in guard.describe_model(worse, NUMBERS, "without adaptation")
    alone = guard.judge_model([[1.0]], [[0.0]])
    assert "only one independent example" in guard.describe_model(alone, CLASSES)


def test_what_is_needed_finds_it():
    """A trial of the size that was named finds the effect in about four of five draws."""
    rng, gain = np.random.default_rng(7), 0.25
    pilot = rng.normal(size=(1, 400))
    pilot += gain - pilot.mean()
    need = guard.needed(pilot, np.zeros((1, 400)))
    few = (pilot[:, :30] - pilot[:, :30].mean()) / pilot[:, :30].std(ddof=1) + gain
    enough = guard.needed(few, np.zeros((1, 30))).examples
    assert need.examples == 400
    draws = [guard.judge(rng.normal(size=enough) + gain, np.zeros(enough)).outcome for _ in range(300)]
    assert 0.72 < draws.count("helps") / 300 < 0.88


def test_where_luck_dominates_only_seeds_help():
    rng = np.random.default_rng(8)
    ours = 0.1 + 0.2 * rng.normal(size=(3, 1)) + 0.01 * rng.normal(size=(3, 2000))
    need = guard.needed(ours - ours.mean() + 0.05, 0.2 * rng.normal(size=(3, 1)) + np.zeros((3, 2000)))
    assert need.examples is None
    assert need.seeds > 3
    assert f"{need.seeds} seeds with the same 2,000 examples" in guard.describe_needed(need, CLASSES, 3, 2000)


def test_nothing_to_decide_is_said():
    equal = np.ones((2, 10))
    assert guard.needed(equal, equal) == guard.Needed(0.0, None, None)
    assert guard.describe_needed(guard.needed(equal, equal), CLASSES, 2, 10) == ""
    alone = guard.needed([[1.0]], [[0.5]])
    assert (alone.examples, alone.seeds) == (None, None)
    assert "No trial of a size" in guard.describe_needed(alone, CLASSES, 1, 1)


def test_clusters_are_needed_as_large_as_they_are():
    rng = np.random.default_rng(9)
    codes = np.repeat(np.arange(30), 10)
    ours = 0.1 + rng.normal(size=30)[codes] + 0.1 * rng.normal(size=(1, 300))
    groups = [str(c) for c in codes]
    assert guard.needed(ours, 0 * ours, groups).examples > 3 * guard.needed(ours, 0 * ours).examples


LABELS = (1, 2, 4, 8)


def curve(*means):
    """Utilities (60,) without spread at each mean."""
    return [np.full(60, mean) for mean in means]


def test_worth_beyond_the_curve_is_more_than_it():
    found = guard.worth(LABELS, curve(0.5, 0.6, 0.9, 0.9), curve(0.2, 0.4, 0.6, 0.8))
    assert [one.equals for one in found][2:] == [None, None]
    said = guard.describe_worth(found, CLASSES)
    assert said == (
        "With 8 labels per class the transfer does more than a model from scratch. "
        "With 2 the transfer does what a model from scratch does with 4 (95% interval 4 to 4)."
    )
    level = guard.describe_worth(guard.worth(LABELS, curve(0.2, 0.4, 0.6, 0.6), curve(0.2, 0.4, 0.6, 0.8)), CLASSES)
    assert level.startswith("With 8 labels per class the transfer does what a model from scratch does with 4 (")
    every = guard.describe_worth(guard.worth(LABELS, curve(*[0.9] * 4), curve(*[0.1] * 4)), CLASSES)
    assert every == "With 1 label per class the transfer does more than a model from scratch with 8."


def test_worth_has_an_interval_over_examples():
    rng = np.random.default_rng(10)
    steps = [(rng.random(300) < p).astype(float) for p in (0.3, 0.5, 0.7, 0.8)]
    one = guard.worth(LABELS, [(rng.random(300) < 0.6).astype(float)] * 4, steps)[0]
    assert one.low < one.equals < (one.high or np.inf)
    fewer = guard.worth(LABELS, curve(*[0.1] * 4), curve(0.2, 0.4, 0.6, 0.8))[0]
    assert (fewer.equals, fewer.low, fewer.high) == (1, 1, 1)


def test_mistakes_are_named():
    bad = [
        (lambda: guard.threshold([0.1], 1.0), "level"),
        (lambda: guard.threshold([np.nan], 0.5), "not a number"),
        (lambda: guard.fit_temperature(np.array([[np.nan, 1.0]]), np.array([0]), np.zeros(1)), "probabilities"),
        (lambda: guard.fit_temperature(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0)), "one example or more"),
        (lambda: guard.worth((1,), curve(0.1), curve(0.1)), "two or more"),
        (lambda: guard.worth((2, 1), curve(0.1, 0.2), curve(0.1, 0.2)), "rising"),
        (lambda: guard.worth((1, 2), curve(0.1), curve(0.1, 0.2)), "utilities"),
        (lambda: guard.worth((1, 2), curve(0.1, 0.2), [np.ones(60), np.ones(61)]), "same examples"),
        (lambda: guard.needed(np.full((1, 3), np.nan), np.zeros((1, 3))), "finite"),
    ]
    for mistake, words in bad:
        with pytest.raises(UserError, match=words):
            mistake()


def test_a_temperature_divides_outputs_and_ends_with_its_weights(toy):
    model, problem = toy.fresh(), toy.problem()
    inputs = problem.backbone.preprocess.tensor(toy.holdout.arrays[:3])
    plain = model(inputs)
    model.temperature = 2.5
    assert torch.allclose(model(inputs) * 2.5, plain, atol=1e-6)
    assert run(model, (), problem).temperature == 1.0
