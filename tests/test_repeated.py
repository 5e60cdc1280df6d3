"""The verdict of repeated cross-validation, and the folds that it pools."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import stdtrit

from regraft import guard, repeated
from regraft.core.errors import UserError
from regraft.data.splits import clusters, few_shot, folds, holdout_split, outer_folds
from regraft.evaluation import evaluation
from regraft.nested import afforded
from regraft.repeated import Outer
from regraft.tasks.classification import Classification


def grouped(toy, each=12, patients=9):
    """Examples of patients, some of whom have copies of a picture of another."""
    examples = toy.draw("patients", each).examples
    groups = tuple(f"patient {(i // 3) % patients}" for i in range(len(examples)))
    digests = list(examples.digests)
    digests[-1] = digests[0]  # one picture twice: the groups of both belong together
    return replace(examples, groups=groups, digests=tuple(digests))


def test_the_error_is_that_of_nadeau_and_bengio():
    """Worked by hand: 10 examples, 5 folds, once; s^2 of a fold's mean is the examples' variance over 2."""
    difference = np.array([1.0, 0, 0, 2, 0, 0, 1, 0, 0, 0])[None, None]
    found = repeated.judge(difference, np.zeros_like(difference), Outer(5)).gain
    spread = difference.var(ddof=1) / 2 * (1 / 5 + 1 / 4)
    assert found.high - found.mean == pytest.approx(stdtrit(9, 0.975) * spread**0.5)


def test_more_repeats_never_say_less_than_that_training_sets_overlap():
    """Repeating averages the division out, not the sample: the error falls to that of n_test / n_train."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=(1, 2, 40))
    often = np.repeat(one, 50, 0)
    widths = [repeated.interval(values, Outer(5, len(values))) for values in (one, often)]
    half = [found.high - found.mean for found in widths]
    assert half[1] / half[0] == pytest.approx(((1 / 50 + 5 / 4) / (1 + 5 / 4)) ** 0.5)


def test_clusters_are_what_is_independent():
    rng = np.random.default_rng(1)
    groups = [f"g{i // 6}" for i in range(60)]
    ours = np.repeat(rng.normal(size=10), 6)[None, None] + 0.1 * rng.normal(size=(2, 3, 60))
    theirs = np.zeros_like(ours)
    alone, together = (repeated.judge(ours, theirs, Outer(5, 2, of)) for of in (None, groups))
    assert together.gain.mean == pytest.approx(alone.gain.mean)
    assert together.gain.high - together.gain.low > 2 * (alone.gain.high - alone.gain.low)
    order = rng.permutation(60)
    moved = repeated.judge(ours[..., order], theirs, Outer(5, 2, [groups[i] for i in order])).gain
    assert (moved.low, moved.high) == pytest.approx((together.gain.low, together.gain.high))


def test_equal_answers_are_no_proof_and_one_cluster_none_at_all():
    right = np.ones((1, 2, 12))
    verdict = repeated.judge(right, right, Outer(5))
    assert verdict.outcome == "undecided"
    assert verdict.gain.low < 0 < verdict.gain.high
    one = repeated.judge(right, 1 - right, Outer(5, 1, ["a"] * 12))
    assert (one.outcome, one.gain.low, one.gain.high) == ("undecided", -1.0, 1.0)


def test_the_null_is_rarely_said_to_help():
    """Folds that share an example effect; three standard errors of 400 trials are allowed for."""
    rng = np.random.default_rng(2)
    outcomes = []
    for _ in range(400):
        hard = rng.normal(size=60)
        ours, theirs = ((0.5 + hard + rng.normal(size=(1, 2, 60)) > 0).astype(float) for _ in range(2))
        outcomes.append(repeated.judge(ours, theirs, Outer(5)).outcome)
    assert outcomes.count("helps") <= 400 * 0.025 + 3 * (400 * 0.025) ** 0.5


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match="finite"):
        repeated.judge(np.full((1, 1, 4), np.nan), np.zeros((1, 1, 4)), Outer(2))
    with pytest.raises(UserError, match="cluster for each"):
        repeated.interval(np.zeros((1, 1, 4)), Outer(2, 1, ["a"]))
    with pytest.raises(UserError, match=r"11 parts, 10 folds and the final choice, of 1.8 s each; give 55s or more"):
        afforded(20.0, 5, 2)
    afforded(None, 5, 2)


def test_no_split_parts_a_patient_or_copies(toy):
    """The holdout, few shots, folds of the race and outer folds; a copy ties the groups it is in together."""
    examples = grouped(toy)
    names = np.array(clusters(examples))
    assert names[0] == names[-1]
    assert len(set(names)) == 8  # of nine patients two share a picture
    splits = [holdout_split(examples), few_shot(examples, 2, 0), *outer_folds(examples, 4, 0)]
    splits += folds(examples.strata, 3, 0, clusters(examples))
    assert all(not set(names[learn]) & set(names[aside]) for learn, aside in splits)
    assert all(len(aside) for _, aside in splits)
    judged = np.concatenate([aside for _, aside in outer_folds(examples, 4, 0)])
    assert sorted(judged) == list(range(len(examples)))  # each once


def test_a_class_that_no_fold_could_judge_is_refused(toy):
    examples = toy.draw("few", 6).examples
    one = examples.take([0, *np.flatnonzero(examples.labels != 0)])
    with pytest.raises(UserError, match="class 'ant' has 1 pictures"):
        outer_folds(one, 3, 0)


def test_copies_in_a_holdout_count_as_one(toy):
    """Every picture three times says no more than once: intervals must not shrink."""
    data = toy.draw("copies", 5)
    thrice = data.take(np.tile(np.arange(len(data)), 3))
    task = Classification(classes=data.classes)
    outputs = np.random.default_rng(0).dirichlet(np.ones(4), (2, len(data)))
    one = guard.interval(evaluation(list(outputs), data, task))
    three = guard.interval(evaluation(list(np.tile(outputs, (1, 3, 1))), thrice, task))
    assert (three.low, three.high) == pytest.approx((one.low, one.high), abs=0.02)
