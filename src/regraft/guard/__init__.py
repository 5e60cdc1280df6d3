"""Intervals and tests on per-example utilities; no torch, no training.

A utility u[s, i] of seed s and example i is read as mean + seed + example + remainder (crossed random effects), as
another training run or another holdout would have given other numbers. ``benchmarks/guard_coverage.py`` has the
measured coverage of the intervals.
"""

from regraft.guard._tables import Groups, Utility
from regraft.guard.conformal import holds, least, set_scores, sets, threshold
from regraft.guard.corrections import holm, mcnemar, nadeau_bengio
from regraft.guard.deciding import Needed, describe_needed, needed
from regraft.guard.intervals import Metric, bootstrap, interval
from regraft.guard.temperature import Temperature, fit_temperature, scaled
from regraft.guard.verdicts import describe, describe_model, judge, judge_model
from regraft.guard.worth import Worth, describe_worth, worth

__all__ = [
    "Groups", "Metric", "Needed", "Temperature", "Utility", "Worth", "bootstrap", "describe", "describe_model",
    "describe_needed", "describe_worth", "fit_temperature", "holds", "holm", "interval", "judge", "judge_model",
    "least", "mcnemar", "nadeau_bengio", "needed", "scaled", "set_scores", "sets", "threshold", "worth",
]  # fmt: skip
