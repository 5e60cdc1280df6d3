"""Figures of a model: their intervals say nothing that cannot be."""

import numpy as np
import pytest
from scipy.stats import binomtest

from regraft.core import catalog
from regraft.core.records import Evaluation
from regraft.evaluation import figures
from regraft.guard import bootstrap
from regraft.ranking import rank
from regraft.scores._base import Evidence
from regraft.tasks._base import RANGES
from regraft.tasks.classification import Classification


def test_an_interval_stays_where_the_metric_can_be():
    rng, targets = np.random.default_rng(0), np.arange(30) % 3
    right = rng.random((3, 30)) < 0.97
    outputs = np.where(right[..., None], np.eye(3)[targets], np.eye(3)[(targets + 1) % 3]) * 0.97 + 0.01
    task = Classification(classes=("a", "b", "c"))
    record = Evaluation(outputs, right.astype(float), targets, tuple(map(str, range(30))), None)
    assert bootstrap(task.metrics()["macro_f1"], record).high > 1  # what is cut off
    found = figures(record, task)
    assert found["macro_f1"].high == 1
    assert all(RANGES.get(name, (0, 1))[0] <= value.low <= value.high for name, value in found.items())


def test_where_all_is_right_an_interval_is_that_of_wilson():
    targets = np.arange(30) % 3
    outputs, right = np.eye(3)[targets][None].repeat(3, 0), np.ones((3, 30))
    names, groups = tuple(map(str, range(30))), tuple(str(i // 2) for i in range(30))
    for units, clusters in ((30, None), (15, groups)):
        found = figures(Evaluation(outputs, right, targets, names, clusters), Classification(classes=("a", "b", "c")))
        wilson = binomtest(units, units).proportion_ci(0.95, method="wilson")
        for name in ("accuracy", "macro_f1"):
            assert (found[name].low, found[name].high) == (pytest.approx(wilson.low), 1)


def test_intervals_of_scores_stay_where_the_score_can_be():
    rng, labels = np.random.default_rng(0), np.arange(40) % 4
    near = {gap: np.eye(4)[labels] * gap + rng.normal(size=(40, 4)) for gap in (1.0, 2.0, 100.0)}
    rows = {
        row["source"]: row["scores"] for row in rank({f"gap {gap:g}": Evidence(x, labels) for gap, x in near.items()})
    }
    for scores in rows.values():
        assert 0 <= scores["knn"]["low"] <= scores["knn"]["value"] <= scores["knn"]["high"] <= 1
        assert scores["linear_probe"]["high"] <= 0
    wilson = binomtest(40, 40).proportion_ci(0.9, method="wilson")
    assert rows["gap 100"]["knn"]["low"] == pytest.approx(wilson.low)


@pytest.mark.parametrize("name", catalog.names("tasks"))
def test_every_metric_but_the_utility_has_a_range(name):
    task = catalog.find("tasks", name)()
    utility = set() if task.gauge.lower else {task.gauge.metric}
    assert set(task.metrics()) - utility <= set(RANGES)


def test_of_two_labels_no_rank_is_sure():
    """A subsample of two labels is both of them: it says nothing of another draw."""
    right = Evidence(np.array([[0.0, 0.0], [9.0, 9.0]]), np.array([0, 1]))
    wrong = Evidence(np.zeros((2, 2)), np.array([0, 1]))
    rows = rank({"right": right, "wrong": wrong})
    assert [(row["low"], row["high"], row["tied"]) for row in rows] == [(1.0, 2.0, True)] * 2
