"""Who is ended early, how fast steps are believed to be, and the story of what was decided."""

from dataclasses import replace

import pytest

from regraft.candidates import Candidate, hopeless
from regraft.commands._story import story
from regraft.decisions import combined, cut, finished, planned, sources
from regraft.pacing import Paces

FIRST = Candidate("toy:a", "fine_tune", score=0.9, criterion=-0.1, expected=-0.1, by_example=(-0.1,) * 30, folds=1)


@pytest.mark.parametrize(("gap", "many", "ended"), [(0.5, 30, True), (0.05, 30, False), (0.5, 10, False)])
def test_only_who_is_far_behind_on_enough_examples_is_ended(gap, many, ended):
    """Differences of spread 0.3: the standard error over 30 examples is 0.055."""
    far = tuple(-0.1 - gap + 0.3 * (-1) ** i for i in range(many))
    other = replace(FIRST, method="l2_sp", criterion=-0.1 - gap, by_example=far)
    found = hopeless([other, replace(FIRST, by_example=FIRST.by_example[:many])])
    assert [c.method for c, _ in found] == ["l2_sp"] * ended
    assert all(reason.startswith("ended after fold 1: 0.500 +- ") for _, reason in found)
    assert hopeless([replace(other, score=None)]) == []  # what broke down is told otherwise


def test_trials_correct_what_was_stated_of_a_method_and_of_its_source():
    paces = Paces({"toy:a": 0.01, "toy:b": 0.01})
    stated = paces.of(("toy:a", "l2_sp"), 32)
    paces.note(("toy:a", "fine_tune"), {"pace": 3 * paces.of(("toy:a", "fine_tune"), 32)}, 32)
    assert paces.of(("toy:a", "l2_sp"), 32) == pytest.approx(3 * stated)  # a busy machine is busy for all
    assert paces.of(("toy:b", "l2_sp"), 32) == stated
    paces.note(("toy:a", "l2_sp"), {"pace": 2 * stated}, 32)
    paces.note(("toy:a", "fine_tune"), {"late": "no time"}, 32)
    assert paces.of(("toy:a", "l2_sp"), 16) == pytest.approx(stated)  # half the examples, twice as slow as stated


def test_the_story_has_every_decision_with_its_numbers():
    other = replace(FIRST, method="l2_sp", expected=-0.4, by_example=(-0.3, -0.5) * 15)
    pair = replace(FIRST, method="fine_tune with l2_sp", members=(FIRST, other), outcome="dropped")
    plan = {"steps": 100, "folds": 3, "seeds": 2, "note": "tight", "timed": True}
    scratch = Candidate("scratch:toy", "scratch")
    told = [
        planned(plan, {"budget": 60.0, "deadline": 30.0, "reserve": 20.0}),
        cut("Full descents", [FIRST], [other, FIRST], [[{"seconds": 1.5}], [{"seconds": 2.0}, {"late": ""}]]),
        combined(FIRST, [pair]),
        finished((FIRST, scratch), (100, 200), 2, ""),
    ]
    told.insert(1, sources({"toy:b": -0.5, "toy:a": 1.25}, ["toy:a", "toy:b"], [{"seconds": 0.5}, {"late": ""}]))
    text = "\n".join(story(told))
    assert "1. Plan: full descents of 100 steps, 3 folds, 2 seeds; no trial after 30 s" in text
    assert "2. Sources: toy:a (+1.2), then toy:b (-0.5): votes in standard errors" in text
    assert "3. Full descents: 1 of 2 went on: fine_tune from toy:a; this took 3.5 s" in text
    assert "ended    l2_sp from toy:a: +0.300 +- 0.018 behind the first" in text
    assert "4. Ensembles: fine_tune from toy:a answers alone" in text
    assert (
        "5. Finish: fine_tune from toy:a was trained with 2 seeds of 100 steps, scratch from scratch:toy of 200" in text
    )
    assert told[3]["candidates"][0]["members"] == [{"source": "toy:a", "method": m} for m in ("fine_tune", "l2_sp")]
