"""Laws of every selector."""

from dataclasses import replace

import numpy as np
import pytest

from regraft.core import catalog
from regraft.core.config import build, to_plain
from regraft.core.errors import UserError
from regraft.core.labels import Labels
from regraft.selectors._base import Seen
from regraft.selectors._oracle import beside_oracle
from regraft.tasks.regression import Regression

SELECTORS = {name: catalog.find("selectors", name)() for name in catalog.names("selectors")}
BLIND = [n for n, rule in SELECTORS.items() if rule.withheld]
OF_CLASSES = [n for n, rule in SELECTORS.items() if rule.tasks == {Labels.CLASSES}]


def blobs(seed: int, shift: float = 0.0, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, 4) of three classes in three corners, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    return 3 * np.eye(3, 4)[labels] + rng.normal(0, 0.5, (count, 4)) + shift, labels


def certain(labels: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """Predictions (N, 3) of these labels, ``sure`` of each."""
    return np.full((len(labels), 3), (1 - sure) / 2) + np.eye(3)[labels] * (sure - (1 - sure) / 2)


def seen(seed: int, shift: float = 0.0, sure: float = 0.9, count: int = 60) -> Seen:
    x, y = blobs(seed, shift, count)
    return Seen(certain(y, sure), x, y)


def both(rule, **changes) -> tuple[Seen, Seen]:
    """What a good model makes of target and source; labels of the target only where the rule reads them."""
    target, source = replace(seen(0, 0.3), **changes), replace(seen(1), **changes)
    return target if not rule.withheld else replace(target, labels=None), source


@pytest.mark.parametrize("name", SELECTORS)
def test_options_round_trip(name):
    plain = to_plain(SELECTORS[name])
    plain.pop("name")
    assert build(type(SELECTORS[name]), plain) == SELECTORS[name]


@pytest.mark.parametrize("name", SELECTORS)
def test_the_order_of_examples_does_not_matter(name):
    rule = SELECTORS[name]
    target, source = both(rule)
    rng = np.random.default_rng(3)
    mixed = []
    for part in (target, source):
        order = rng.permutation(len(part.features))
        labels = None if part.labels is None else part.labels[order]
        mixed.append(replace(part, predictions=part.predictions[order], features=part.features[order], labels=labels))
    assert rule.score(*mixed) == pytest.approx(rule.score(target, source), abs=1e-9)


@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize("count", [3, 4, 60])
def test_scores_are_finite_also_of_fewer_examples_than_features(name, count):
    rule = SELECTORS[name]
    target, source = (replace(s, **cut(s, count)) for s in both(rule))
    assert np.isfinite(rule.score(target, source))


def cut(part: Seen, count: int) -> dict[str, np.ndarray | None]:
    labels = None if part.labels is None else part.labels[:count]
    return {"predictions": part.predictions[:count], "features": part.features[:count], "labels": labels}


@pytest.mark.parametrize("name", SELECTORS)
def test_one_class_for_all_is_worse_than_confident_diverse_right_predictions(name):
    """Where the rule claims so; where it does not, it must be seen that it may be fooled."""
    rule = SELECTORS[name]
    target, source = both(rule)
    zeros = np.zeros(60, dtype=int)
    folded = (replace(part, predictions=certain(zeros)) for part in (target, source))
    better = rule.score(target, source) > rule.score(*folded)
    assert better if rule.diverse else not better


@pytest.mark.parametrize("name", SELECTORS)
def test_labels_of_the_target_change_nothing_unless_the_rule_says_that_it_reads_them(name):
    rule = SELECTORS[name]
    target, source = seen(0, 0.3), seen(1)
    wrong = replace(target, labels=(target.labels + 1) % 3)
    assert (rule.score(wrong, source) == rule.score(target, source)) is rule.withheld
    if not rule.withheld:
        with pytest.raises(UserError, match="no labels"):
            rule.score(replace(target, labels=None), source)


@pytest.mark.parametrize("name", SELECTORS)
def test_labels_of_the_source_are_read_where_the_rule_says_so(name):
    rule = SELECTORS[name]
    target, source = seen(0, 0.3), seen(1)
    wrong = replace(source, labels=(source.labels + 1) % 3)
    assert (rule.score(target, wrong) < rule.score(target, source)) is rule.source
    if rule.source:
        with pytest.raises(UserError, match="source"):
            rule.score(target)


@pytest.mark.parametrize("name", SELECTORS)
def test_rules_that_compare_models_tell_one_from_another(name):
    """A model that is right and sure from one that is wrong and is not."""
    rule = SELECTORS[name]
    wrong = certain((blobs(0)[1] + 1) % 3, 0.4)
    other = (replace(part, predictions=wrong) for part in both(rule))
    assert (rule.score(*both(rule)) != rule.score(*other)) is rule.compares


@pytest.mark.parametrize("name", OF_CLASSES)
def test_what_is_for_classes_refuses_numbers(name):
    x, y = blobs(0)
    number = Seen(y[:, None].astype(float), x, y.astype(float), Regression())
    with pytest.raises(UserError, match="is for classes, not for numbers"):
        SELECTORS[name].score(number, number)


@pytest.mark.parametrize("name", [n for n in SELECTORS if SELECTORS[n].compares and n not in OF_CLASSES])
def test_the_others_take_numbers(name):
    x, y = blobs(0)
    right = Seen(y[:, None].astype(float), x, y.astype(float), Regression())
    wrong = replace(right, predictions=right.predictions + 1)
    assert SELECTORS[name].score(right, right) > SELECTORS[name].score(wrong, wrong)


@pytest.mark.parametrize("name", SELECTORS)
def test_what_is_malformed_is_refused_in_a_sentence(name):
    rule = SELECTORS[name]
    target, source = both(rule)
    bad = target.predictions.copy()
    bad[3] = np.nan
    with pytest.raises(UserError, match="the predictions: 1 rows are not finite"):
        rule.score(replace(target, predictions=bad), source)
    with pytest.raises(UserError, match="must be probabilities"):
        rule.score(replace(target, predictions=np.log(target.predictions)), source)
    with pytest.raises(UserError, match="not ndarray"):
        rule.score(target.predictions, source)
    if rule.source:
        assert source is not None
        for wrong, said in (
            (replace(source, labels=source.labels + 100), "labels must be 0 to"),
            (replace(source, predictions=np.full((len(source.labels), 9), 1 / 9)), "the same number of columns"),
            (replace(source, features=source.features[:, :-1]), "features of target and source must have the same"),
            (replace(source, labels=source.labels - 1), "are unknown"),
        ):
            with pytest.raises(UserError, match=said):
                rule.score(target, wrong)
    with pytest.raises(UserError, match="of the same examples"):
        rule.score(replace(target, features=target.features[:5]), source)


@pytest.mark.parametrize("name", SELECTORS)
def test_in_training_it_sees_what_it_declares(name, toy):
    """Without the rest there are no others to see, and a model scores as its arrays do."""
    rule, problem = SELECTORS[name], toy.problem()
    blind = replace(problem.target, validation=None) if rule.withheld else replace(problem.target, unlabeled=None)
    bare = replace(problem, target=blind, source=problem.source if rule.source else None)
    assert np.isfinite(rule(toy.trained, bare))
    assert rule(toy.trained, bare) == rule(toy.trained, problem)


@pytest.mark.parametrize("name", [n for n, rule in SELECTORS.items() if rule.source])
def test_a_source_with_other_classes_is_refused(name, toy):
    problem = toy.problem()
    other = toy.draw("source", 4, True, ("one", "two", "three", "four"))
    with pytest.raises(UserError, match="does not name the target's classes"):
        SELECTORS[name](toy.trained, replace(problem, source=replace(problem.source, train=other)))


def test_beside_the_oracle():
    """Three models: undecided, right, collapsed. Rules that are not blind to it take the second, and lose nothing."""
    x, y = blobs(0, 0.3)
    target = [Seen(certain(labels, sure), x, y) for labels, sure in ((y, 0.4), (y, 0.9), (0 * y, 0.99))]
    target[0] = replace(target[0], predictions=np.roll(target[0].predictions, 1, 0))
    source = [replace(part, features=blobs(1)[0]) for part in target]
    rows = {row.selector: row for row in beside_oracle(target, source)}
    assert set(rows) == set(BLIND)
    for name, row in rows.items():
        rule = SELECTORS[name]
        assert row.labels == rule.labels
        assert row.regret == pytest.approx(1 - row.utility)
        assert (row.chosen == 1) is rule.diverse
    assert rows["last"].chosen == 2
    assert rows["last"].utility == pytest.approx(1 / 3)
    assert set(row.selector for row in beside_oracle(target)) == {n for n in BLIND if not SELECTORS[n].source}
    with pytest.raises(UserError, match="no model"):
        beside_oracle([])
