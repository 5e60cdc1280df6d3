"""How methods begin that can do without labelled target examples."""

from regraft.core.batch import Stream
from regraft.edits._base import Edit
from regraft.edits.keep_head import KeepHead
from regraft.edits.new_head import NewHead
from regraft.model import Problem
from regraft.terms._base import Weighted
from regraft.terms.supervised import Supervised


def start(problem: Problem, weight: float = 1.0, opens: bool = False) -> tuple[Edit, dict[str, Weighted]]:
    """The edit that makes the head, and what labelled target examples, times ``weight``, add to the objective.

    Without any, the head is the source's and there is nothing to add. ``opens``: classes that it lacks are learned.
    """
    if not problem.labelled:
        return KeepHead(lacking="learned" if opens else "refused"), {}
    return NewHead(), {"task": Weighted(term=Supervised(), weight=weight)}


def anchored(problem: Problem) -> tuple[Edit, dict[str, Weighted]]:
    """The same for methods that need true labels to hold on to: those of the source, where the target has none.

    Nothing is added where there is no source data either, or where it names other classes.
    """
    head, terms = start(problem)
    source = problem.source.train.examples if problem.source else None
    if not terms and source and (source.classes, source.labelling) == (problem.task.classes, problem.task.labels):
        terms["source"] = Weighted(term=Supervised(stream=Stream.SOURCE))
    return head, terms
