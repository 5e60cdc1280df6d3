"""Sources in the making."""

import pytest

from regraft import opening
from regraft.bench import Bench
from regraft.core.errors import CandidateError, UserError
from regraft.core.progress import Reporter
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime


def test_training_that_breaks_down_is_told_in_a_sentence(toy, tmp_path, monkeypatch):
    def broken(*_):
        raise CandidateError("not a number at step 3")

    monkeypatch.setattr(opening, "run", broken)
    journal, problem = Journal(tmp_path), toy.problem()
    bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(), False, 0, None)
    with pytest.raises(UserError, match=r"source broke down \(not a number at step 3\); try another --backbone"):
        opening.train_model(problem.target.train, problem.backbone, "training", bench)
