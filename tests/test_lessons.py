"""What a finished run says of its ranking."""

import pytest

from regraft.candidates import Candidate
from regraft.lessons import agreements


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
