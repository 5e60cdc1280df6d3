"""Laws of every score."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.ranking import VOTING, rank
from regraft.scores._base import Evidence, Score
from regraft.tasks.classification import Classification
from regraft.tasks.multilabel import Multilabel
from regraft.tasks.regression import Regression

NAMES = catalog.names("scores")
SAFE = [n for n in NAMES if catalog.find("scores", n).noise_safe]
SHAPES = [(30, 90), (40, 40), (120, 10)]


def make(name: str) -> Score:
    return catalog.find("scores", name)()


def draw(shape: tuple[int, int], seed: int = 0, gap: float = 4.0, classes: int = 3) -> Evidence:
    """Balanced classes whose means lie ``gap`` from the origin in random directions; gap 0 is noise."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(shape[0]) % classes)
    means = generator.standard_normal((classes, shape[1]))
    means *= gap / np.linalg.norm(means, axis=1, keepdims=True)
    logits = generator.standard_normal((shape[0], classes + 2))
    logits[np.arange(shape[0]), labels] += gap
    odds = np.exp(logits)
    features = generator.standard_normal(shape) + means[labels]
    own = np.arange(30) % classes  # labelled data of the source, of the same classes
    theirs = generator.standard_normal((30, shape[1])) + means[own]
    recognised = (odds[:, :classes].argmax(1) == labels) - 1 / classes
    return Evidence(features, labels, odds / odds.sum(1, keepdims=True), 10_000, theirs, own, recognised)


def numbered(shape: tuple[int, int], seed: int = 0, signal: float = 1.0) -> Evidence:
    """Features of which two tell the numbers to predict."""
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal(shape), rng.standard_normal((40, shape[1]))
    y, own = (signal * 3 * (v[:, 0] + v[:, 1]) + rng.standard_normal(len(v)) for v in (x, z))
    task = Regression(mean=float(y.mean()), deviation=float(y.std()))
    recognised = task.beyond_chance(np.stack([x[:, 0] + x[:, 1]], 1), y)
    return Evidence(x, y, source_features=z, source_labels=own, recognised=recognised)


def labelled(shape: tuple[int, int], seed: int = 0, gap: float = 4.0) -> Evidence:
    """Features of which each of the first three moves with one label of three."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((shape[0] + 40, 3)) < 0.4).astype(int)
    labels[:2] = labels[-2:] = [[1, 0, 1], [0, 1, 0]]
    x = rng.standard_normal((shape[0] + 40, shape[1]))
    x[:, :3] += gap * (2 * labels - 1)
    recognised = Multilabel(classes=("a", "b", "c")).beyond_chance(x[:-40, :3], labels[:-40])
    own = {"source_features": x[-40:], "source_labels": labels[-40:]}
    return Evidence(x[:-40], labels[:-40], recognised=recognised, **own)


NUMBERS = [n for n in NAMES if Labels.NUMBERS in catalog.find("scores", n).labels]
SETS = [n for n in NAMES if Labels.SETS in catalog.find("scores", n).labels]
DRAWN = [*((n, draw) for n in NAMES), *((n, numbered) for n in NUMBERS), *((n, labelled) for n in SETS)]
"""Scores with what makes evidence that they read."""


@pytest.mark.parametrize("name", NAMES)
def test_needs_are_fields_of_the_evidence(name):
    assert make(name).needs <= set(Evidence.__dataclass_fields__)


@pytest.mark.parametrize("gap", [0.0, 2.0, 30.0])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_score_lies_within_its_bounds(name, shape, gap):
    score, evidence = make(name), draw(shape, gap=gap)
    numbers = replace(evidence, labels=evidence.features[:, 0])
    for one in (evidence, *([numbers] if Labels.NUMBERS in score.labels else [])):
        least, most = score.bounds(one.labels)
        assert least - 1e-9 <= score(one) <= most + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "drawn"), DRAWN)
def test_the_order_of_the_examples_does_not_matter(name, drawn, shape):
    score, evidence = make(name), drawn(shape, 0, 2.0)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(shape[0])
        rows = {n: getattr(evidence, n) for n in ("features", "labels", "source_probabilities", "recognised")}
        moved = replace(evidence, **{n: values[order] for n, values in rows.items() if values is not None})
        assert score(moved) == pytest.approx(score(evidence), abs=2e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "drawn"), [(n, d) for n, d in DRAWN if "source_features" in make(n).needs])
def test_the_order_of_the_examples_of_the_source_does_not_matter(name, drawn, shape):
    score, evidence = make(name), drawn(shape, 0, 2.0)
    order = np.random.default_rng(0).permutation(len(evidence.source_labels))
    moved = {n: getattr(evidence, n)[order] for n in ("source_features", "source_labels")}
    assert score(replace(evidence, **moved)) == pytest.approx(score(evidence), abs=2e-4)


def test_source_and_target_must_be_seen_by_one_backbone():
    evidence = draw((20, 4))
    with pytest.raises(UserError, match="source_features has 3 columns but features 4"):
        make("task2vec")(replace(evidence, source_features=evidence.source_features[:, :3]))


@pytest.mark.parametrize(
    ("kind", "labels"), [(Labels.NUMBERS, np.arange(20) / 3), (Labels.SETS, np.eye(20, 3, dtype=int))]
)
@pytest.mark.parametrize("name", NAMES)
def test_labels_that_a_score_does_not_read_are_refused(name, kind, labels):
    score = make(name)
    if "labels" in score.needs and kind not in score.labels:
        with pytest.raises(UserError, match=f"{name}.*reads classes.*, not {kind}"):
            score(replace(draw((20, 4)), labels=labels))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_the_classes_do_not_matter(name, shape):
    score, evidence = make(name), draw(shape, gap=2.0)
    for names in ([2, 0, 1], [1, 0, 2], [-7, 300, 12]):
        renamed = replace(evidence, labels=np.array(names)[evidence.labels])
        assert score(renamed) == pytest.approx(score(evidence), abs=2e-4)


def outranked(name: str, draws: int, informed: int) -> None:
    """Noise in so many ``draws``, and informative features in ``informed``, for each shape and number of classes."""
    score = make(name)
    if "parameters" in score.needs:
        pytest.skip("reads no features")
    for shape, classes in product(SHAPES, (2, 3)):
        noise = [score(draw(shape, seed, 0.0, classes)) for seed in range(draws)]
        assert max(noise) < min(score(draw(shape, 1000 + seed, 5.0, classes)) for seed in range(informed))


@pytest.mark.parametrize("name", SAFE)
def test_noise_never_outranks_informative_features(name):
    outranked(name, 10, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAFE)
def test_noise_never_outranks_informative_features_in_two_hundred_draws_each(name):
    outranked(name, 200, 200)


def test_what_compares_two_sets_of_data_is_not_taken_for_safe():
    """Such a score is of the data, as the features show them, and no judgement of the features: none of it votes."""
    unsafe = set(NAMES) - set(SAFE)
    assert all("source_features" in make(name).needs for name in unsafe)
    assert not unsafe & set(VOTING)


@pytest.mark.parametrize("count", [4, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_ranking_puts_no_noise_above_informative_features(shape, count):
    knowing = draw(shape, 1000, 5.0)
    noise = [draw(shape, seed, 0.0) for seed in range(count)]
    guesses = [replace(knowing, features=e.features, source_probabilities=e.source_probabilities) for e in noise]
    sources = {str(place): one for place, one in enumerate(guesses)} | {"informative": knowing}
    assert rank(sources, resamples=3)[0]["source"] == "informative"


def test_the_order_of_the_examples_does_not_change_the_ranking_by_a_bit():
    sources = {str(gap): replace(draw((30, 12), 0, gap), labels=draw((30, 12), 0).labels) for gap in (0.0, 2.0, 4.0)}
    order = np.random.default_rng(0).permutation(30)
    rows = ("features", "labels", "source_probabilities", "recognised")
    moved = {uri: replace(e, **{n: getattr(e, n)[order] for n in rows}) for uri, e in sources.items()}
    assert rank(moved, resamples=3) == rank(sources, resamples=3)


def test_of_equal_features_those_whose_head_knows_the_target_rank_first():
    """Scores of features cannot tell right names from wrong ones; and a head is as good as none where it guesses."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    good, noise = np.eye(3)[labels] * 4 + rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    heads = {"wrong": -1 / 3, "none": 0.0, "right": (rng.random(60) < 0.8) - 1 / 3}
    sources = {uri: Evidence(good.copy(), labels, recognised=np.zeros(60) + head) for uri, head in heads.items()}
    rows = rank(sources | {"poor": Evidence(noise, labels, recognised=np.zeros(60))}, resamples=5)
    assert [row["source"] for row in rows] == ["right", "none", "wrong", "poor"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert not rows[1]["tied"]
    assert all(row["low"] <= row["rank"] <= row["high"] for row in rows)
    blind = {uri: replace(one, recognised=None) for uri, one in sources.items()}
    assert all(row["tied"] for row in rank(blind, resamples=5))


def test_zero_shot_is_what_a_head_says_beyond_chance():
    """Classes: accuracy less that of a guess among those named, 0 for others. Numbers: 1 at best, 0 for their mean."""
    outputs = np.array([[2.0, 1.0, -np.inf], [2.0, 1.0, -np.inf], [0.0, 1.0, -np.inf], [0.0, 1.0, -np.inf]])
    classes = Classification(classes=("a", "b", "c")).beyond_chance(outputs, np.array([0, 1, 1, 2]))
    assert classes.tolist() == [0.5, -0.5, 0.5, 0.0]
    assert make("zero_shot")(Evidence(outputs, np.array([0, 1, 1, 2]), recognised=classes)) == 0.125
    y = np.array([1.0, 2.0, 4.0, 9.0])
    task = Regression(mean=4.0, deviation=2.0)
    said = {"right": (y - 4) / 2, "mean": np.zeros(4), "mirrored": (4 - y) / 2}
    found = {name: task.beyond_chance(of[:, None], y).tolist() for name, of in said.items()}
    assert found == {"right": [1, 1, 0, 1], "mean": [0, 0, 0, 0], "mirrored": [-0.75, -0.75, 0, -0.75]}


@pytest.mark.parametrize("name", SAFE)
def test_more_noise_features_do_not_help(name):
    """The defect of the field's default LogME: on noise, its score grew with the width."""
    score = make(name)
    if "features" not in score.needs:
        pytest.skip("reads no features")
    signal = score(draw((50, 16), gap=4.0))
    assert all(score(draw((50, width), seed, gap=0.0)) < signal for width in (64, 256, 1024) for seed in range(2))


@pytest.mark.parametrize("name", [n for n in NAMES if catalog.find("scores", n).scale_free])
@pytest.mark.parametrize("shape", SHAPES)
def test_scale_does_not_matter_where_the_score_says_so(name, shape):
    score, evidence = make(name), draw(shape, gap=2.0)
    for factor in (1e-3, 3.0, 1e3):
        scaled = {n: factor * getattr(evidence, n) for n in ("features", "source_features")}
        assert score(replace(evidence, **scaled)) == pytest.approx(score(evidence), abs=2e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_gap_in_the_class_numbers_does_not_matter(name):
    score, evidence = make(name), draw((40, 12), gap=2.0)
    assert score(replace(evidence, labels=evidence.labels * 5)) == pytest.approx(score(evidence), abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_class_with_one_example_is_borne(name, shape):
    evidence = draw(shape, gap=4.0)
    labels = evidence.labels.copy()
    labels[0] = 9
    assert np.isfinite(make(name)(replace(evidence, labels=labels)))


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_features_give_a_finite_score_without_warnings(name):
    score, evidence = make(name), draw((30, 8))
    cases = [
        np.zeros((30, 8)),
        np.full((30, 8), 0.1),
        np.repeat(evidence.features[:, :1], 8, axis=1),
        evidence.features[np.arange(30) // 2],
        np.eye(3)[evidence.labels],
        evidence.features.astype(np.float16),
        (10 * evidence.features).astype(int),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = {"source_labels": evidence.labels}
        values = [score(replace(evidence, features=case, source_features=case, **own)) for case in cases]
    assert np.isfinite(values).all()
    assert values[4] >= values[0], "features that copy the labels are not worse than none"


@pytest.mark.parametrize("name", NAMES)
def test_two_examples_of_two_classes_give_a_number_or_a_clear_error(name):
    score, evidence = make(name), draw((2, 4), classes=2)
    if name in ("linear_probe", "sfda"):  # nothing is left to test on
        with pytest.raises(UserError, match=f"{name.replace('_', ' ')} needs a class with two examples"):
            score(evidence)
    else:
        assert np.isfinite(score(evidence))


@pytest.mark.parametrize("name", NAMES)
def test_missing_evidence_is_named(name):
    score, evidence = make(name), draw((20, 4))
    for field in score.needs - {"features", "labels"}:
        with pytest.raises(UserError, match=f"{name}.*{field}"):
            score(replace(evidence, **{field: None}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_row(name, value):
    score, evidence = make(name), draw((20, 4))
    for field in score.needs & {"features", "source_probabilities", "source_features"}:
        bad = getattr(evidence, field).copy()
        bad[7, 1] = value
        with pytest.raises(UserError, match=f"{field}.*row 7"):
            score(replace(evidence, **{field: bad}))


@pytest.mark.parametrize("name", NAMES)
def test_bad_labels_are_refused(name):
    score, evidence = make(name), draw((20, 4))
    if "labels" not in score.needs:
        pytest.skip("reads no labels")
    for labels, message in [
        (np.zeros(20, int), "two classes"),
        (np.zeros((20, 2, 2), int), "integers"),
        (np.arange(19) % 2, "rows"),
    ]:
        with pytest.raises(UserError, match=message):
            score(replace(evidence, labels=labels))


@pytest.mark.parametrize("name", NAMES)
def test_a_score_leaves_its_evidence_alone_and_repeats(name):
    score, evidence = make(name), draw((30, 20))
    arrays = [a for a in vars(evidence).values() if isinstance(a, np.ndarray)]
    before = [array.copy() for array in arrays]
    assert score(evidence) == score(evidence)
    assert all((old == new).all() for old, new in zip(before, arrays, strict=True))


def test_probabilities_must_sum_to_one():
    evidence = draw((20, 4))
    with pytest.raises(UserError, match="row 0"):
        make("leep")(replace(evidence, source_probabilities=2 * evidence.source_probabilities))


@pytest.mark.parametrize("shape", [(60, 8), (40, 40), (30, 100)])
@pytest.mark.parametrize("name", NUMBERS)
def test_scores_of_numbers_ignore_the_unit_and_find_signal(name, shape):
    score, evidence = make(name), numbered(shape)
    value = score(evidence)
    assert score(replace(evidence, labels=1000 * evidence.labels - 7)) == pytest.approx(value, abs=1e-6)
    if name not in SAFE:
        return
    strong = replace(evidence, features=np.repeat(evidence.labels[:, None], 4, 1) + 0.1 * evidence.features[:, :4])
    noise = [score(numbered(shape, seed, signal=0.0)) for seed in range(5)]
    assert max(noise) < score(strong)


@pytest.mark.parametrize("name", NUMBERS)
def test_bad_numbers_are_refused(name):
    evidence = numbered((20, 4))
    for labels, message in [(np.full(20, 2.0), "different values"), (np.full(20, np.nan), "finite")]:
        with pytest.raises(UserError, match=message):
            make(name)(replace(evidence, labels=labels))


@pytest.mark.parametrize("name", NUMBERS)
def test_features_that_hardly_vary_do_not_drown_the_others(name):
    """Units of a network that are dead but for an example: standardised, they made a probe explode."""
    evidence = numbered((50, 8))
    rare = np.zeros((50, 60))
    rare[np.arange(50), np.arange(50) % 60] = 0.01
    wide = np.hstack([evidence.features, rare])
    own = np.hstack([evidence.source_features, rare[:40]])
    found = make(name)(replace(evidence, features=wide, source_features=own))
    assert found == pytest.approx(make(name)(evidence), abs=0.1)


@pytest.mark.parametrize("shape", [(60, 8), (40, 40), (30, 100)])
@pytest.mark.parametrize("name", SETS)
def test_scores_of_label_sets_ignore_their_order_and_constant_labels_and_find_signal(name, shape):
    score, evidence = make(name), labelled(shape)
    value = score(evidence)
    assert score(replace(evidence, labels=evidence.labels[:, [2, 0, 1]])) == pytest.approx(value, abs=1e-9)
    known = np.hstack([evidence.labels, np.zeros((shape[0], 1), int), np.ones((shape[0], 1), int)])
    assert score(replace(evidence, labels=known)) == pytest.approx(value, abs=1e-9)
    if name in SAFE:
        assert max(score(labelled(shape, seed, gap=0.0)) for seed in range(5)) < value


@pytest.mark.parametrize("name", SETS)
def test_bad_label_sets_are_refused(name):
    evidence = labelled((20, 4))
    for labels, message in [(np.ones((20, 2), int), "some have not"), (2 * evidence.labels, "0 or 1")]:
        with pytest.raises(UserError, match=message):
            make(name)(replace(evidence, labels=labels))
