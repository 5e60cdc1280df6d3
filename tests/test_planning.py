"""What a budget affords: more time never buys less, and a plan fits into its time."""

from types import SimpleNamespace

import pytest

from regraft.planning import LADDER, Costs, more_seeds, plan, too_slow


def costs(train: float = 0.01, infer: float = 0.002, candidates: int = 8) -> Costs:
    return Costs(train, infer, 0.002, batch=32, holdout=500, ahead=[1.0] * candidates, through=[1.0] * 4)


BUDGETS = [1, 3, 10, 20, 40, 80, 150, 220, 400, 1000, 5000]


def test_more_time_never_buys_less():
    plans = [plan(costs(), seconds, 3) for seconds in BUDGETS]
    worth = [(p.race, p.seeds, p.steps) for p in plans]
    assert worth == sorted(worth)
    assert worth[0] != worth[-1]


@pytest.mark.parametrize("seconds", BUDGETS)
@pytest.mark.parametrize("train", [0.0005, 0.01, 0.1])
def test_a_plan_with_a_race_fits(seconds, train):
    found = plan(costs(train=train), seconds, 3)
    if found.race:
        assert found.reserve == pytest.approx(costs(train=train).finish(found.steps, found.seeds))
        assert found.reserve <= 0.7 * seconds
    if found.race and not found.note:
        assert found.reserve + costs(train=train).race(found.steps) <= 0.85 * seconds


def test_seeds_give_way_before_short_descents():
    tight = plan(costs(), 60, 5)
    assert tight.seeds < 5
    assert tight.steps == LADDER[-1]
    assert "it affords" in tight.note


def test_too_little_time_for_anything_still_makes_a_plan():
    found = plan(costs(train=10.0), 5, 3)
    assert not found.race
    assert found.seeds == 1
    assert found.steps >= 1


def test_no_budget_is_no_limit():
    assert plan(costs(train=10.0), float("inf"), 3).steps == LADDER[0]


@pytest.mark.parametrize(("seconds", "most"), [(60, 2), (60, 5), (5, 3)])
def test_seeds_come_back_where_the_finish_is_cheaper_than_planned(seconds, most):
    tight = plan(costs(), seconds, 5)
    assert tight.seeds == 1
    found = more_seeds(tight, 5, lambda count: count <= most)
    assert found.seeds == most
    assert ("it affords" in found.note) == (most < 5)
    assert f"it affords {most}" in found.note or most == 5
    assert (found.steps, found.race) == (tight.steps, tight.race)


def test_seeds_stay_where_time_does_not_allow_more():
    tight, whole = plan(costs(), 60, 5), plan(costs(), 5000, 5)
    assert more_seeds(tight, 5, lambda _: False) == tight
    assert more_seeds(whole, 5, lambda _: True) == whole


@pytest.mark.parametrize(("left", "asked", "out"), [
    (100.0, ("fine_tune",), []),
    (40.0, ("fine_tune",), ["slow"]),
    (40.0, ("fine_tune", "logistic"), []),  # features and a head are there in 39 s
    (1.0, (), ["slow", "middle"]),  # nobody can: the quickest tries
    (-5.0, ("fine_tune",), ["slow", "middle"]),
    (float("inf"), (), []),
])  # fmt: skip
def test_a_source_that_cannot_end_in_time_is_left_out_beside_one_that_can(left, asked, out):
    paces = {"slow": (0.2, 0.05), "quick": (0.002, 0.001), "middle": (0.01, 0.004)}
    sources = [SimpleNamespace(uri=uri, cost=cost) for uri, cost in paces.items()]
    found = too_slow(sources, asked, (100, 520), left)
    assert [row["source"] for row in found] == out
    assert all(f"has {max(0.0, left):.0f} s left" in row["reason"] for row in found)
