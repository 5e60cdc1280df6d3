"""What self-supervised methods have in common: all weights of the backbone learn from one term."""

from dataclasses import replace

from regraft.edits.freeze import Freeze
from regraft.edits.set_norm import SetNorm
from regraft.model import Problem
from regraft.optimisation import Descent
from regraft.terms._base import Term, Weighted
from regraft.training import Phase


def learning(term: Term, descent: Descent, problem: Problem) -> tuple[Phase, ...]:
    """One phase; weights that know something already learn at a third of the rate."""
    rate = descent.rate if problem.source_model is None else descent.rate / 3
    edits = (Freeze(keep=None), SetNorm())
    return (Phase(edits=edits, terms={"task": Weighted(term=term)}, descent=replace(descent, rate=rate)),)
