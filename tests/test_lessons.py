"""What a finished run says of its ranking, and what speaks against its comparison."""

from types import SimpleNamespace

import numpy as np
import pytest

from regraft import lessons
from regraft.candidates import Candidate
from regraft.lessons import agreements
from regraft.tasks.classification import Classification
from regraft.tasks.regression import Regression


def row(source: str, rank: int, knn: float, **beside: float) -> dict:
    return {"source": source, "rank": rank, "scores": {"knn": {"value": knn}}, "beside": beside}


def test_each_score_is_held_against_the_race():
    raced = [Candidate(s, m, score=u, expected=e) for s, m, u, e in [
        ("a", "fine_tune", 0.9, -0.1), ("a", "logistic", 0.5, -0.9), ("b", "fine_tune", 0.8, -0.2),
        ("c", "fine_tune", 0.6, -0.4), ("scratch:small", "scratch", 0.99, -0.01),
    ]]  # fmt: skip
    ranking = [row("a", 1, 0.3, prior=1.0, flat=2.0, partly=1.0), row("b", 2, 0.2, prior=2.0, flat=2.0)]
    ranking.append(row("c", 3, 0.1, prior=3.0, flat=2.0, partly=2.0))
    found = agreements(ranking, raced)
    assert set(found) == {"combined", "knn", "prior", "flat"}
    assert found["combined"] == found["knn"] == {"tau": pytest.approx(1.0), "regret": 0.0}
    assert found["prior"] == {"tau": pytest.approx(-1.0), "regret": pytest.approx(0.3)}
    assert found["flat"] == {"tau": None, "regret": pytest.approx(0.9 - 2.3 / 3)}
    assert list(found)[-1] == "flat"
    assert agreements(ranking[:1], raced) == {}


class Learner:
    """A rival that has the ``right`` first of ten examples of its own right."""

    def __init__(self, right: int) -> None:
        self.right, self.train_data = right, SimpleNamespace(labels=np.zeros(10, dtype=int))
        preprocess = SimpleNamespace(preprocess=None)
        self.source = SimpleNamespace(backbone=preprocess, inference=None)

    def problem(self, seed: int) -> SimpleNamespace:
        return SimpleNamespace(task=Classification(classes=("a", "b")))

    def load(self, method: str, seed: int) -> None:
        return None


def judged(rival: object, method: str, *records: object) -> list[SimpleNamespace]:
    """Two contestants, the second with the rival's training."""
    return [SimpleNamespace(finish=rival, method=method, record=one) for one in records or (None, None)]


def test_numbers_that_err_more_than_a_constant_are_told():
    """By the holdout: 0, 1, 2, 3 vary by 1.25; always 1.5 errs as much, 3, 2, 1, 0 four times, half the way less."""
    truth, rival = np.arange(4.0), Learner(10)
    rival.problem = lambda _: SimpleNamespace(task=Regression())

    def said(*outputs: np.ndarray) -> str:
        records = [SimpleNamespace(outputs=o[None, :, None], targets=truth) for o in outputs]
        return lessons.caution([], Candidate("s", "fine_tune"), *judged(rival, "scratch", *records))

    assert said(truth, 0.75 + truth / 2) == ""
    assert "or less than, the model from scratch (R2 0.00)" in said(truth, np.full(4, 1.5))
    found = said(truth, truth[::-1])
    assert "Beware: a constant" in found
    assert "the model from scratch (R2 -3.00)" in found
    assert "transfer" not in found
    assert "the transfer (R2 -3.00) and the model from scratch (R2 -3.00)" in said(truth[::-1], truth[::-1])


@pytest.mark.parametrize(("right", "said"), [(7, "only 70% of the examples right"), (8, "")])
def test_a_rival_that_has_not_learned_its_own_examples_is_told(monkeypatch, right, said):
    answers = np.eye(2)[np.repeat([0, 1], [right, 10 - right])]
    monkeypatch.setattr(lessons, "predict", lambda *_: answers)
    found = lessons.caution([], Candidate("s", "fine_tune"), *judged(Learner(right), "scratch"))
    assert said in found if said else found == ""


@pytest.mark.parametrize(("score", "said"), [(0.7, "better than all that was raced"), (0.8, "")])
def test_a_selector_that_likes_the_source_better_is_told(score, said):
    source = Candidate("s", "source_only", score=0.75, outcome="baseline")
    chosen = Candidate("s", "shot", score=score)
    found = lessons.caution([source, chosen], chosen, *judged(Learner(10), "source_only"))
    assert said in found if said else found == ""
