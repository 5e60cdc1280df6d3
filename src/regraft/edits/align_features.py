"""Bring the features of source and target together, and fit a classical head on them."""

from typing import Annotated, Literal

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from regraft.alignments._base import Alignment
from regraft.alignments._several import combine
from regraft.alignments.coral import Coral
from regraft.core.config import Choice, settings
from regraft.core.errors import CandidateError
from regraft.core.labels import Labels
from regraft.edits._base import Edit
from regraft.edits._domains import common, read
from regraft.heads._base import ClassicalHead
from regraft.heads._layers import Mixture, Scale, through
from regraft.heads.logistic import Logistic
from regraft.model import Model, Problem


@settings
class AlignFeatures(Edit):
    """Map remembered features of the source and of the target into one space; fit the head on all labels there.

    The target is its labelled examples and its unlabelled ones. The head learns from the source's examples of classes
    that the target has too, by name, and from the labelled target's. The map of the target becomes a part of the head.
    """

    alignment: Annotated[Alignment, Choice("alignments")] = Coral()
    """How to bring the features together."""
    head: Annotated[ClassicalHead, Choice("heads")] = Logistic()
    """The estimator that is fitted on them."""
    rows: Literal["", "sum", "length"] = ""
    """What each example's features are divided by first: nothing, their sum or their length."""
    scale: bool = True
    """Centre each feature, in each domain by itself, and divide it by its standard deviation."""
    apart: bool = False
    """Whether each domain of a source that has several is aligned by itself, and their answers mixed: see `combine`."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`.

        Raises:
            CandidateError: the labels are not classes, or the domains share fewer than two.
        """
        ours, labels, theirs, known, domains = _read(model, problem, self.alignment.unlabeled)
        second = self._scaled(theirs)
        z = through(second, theirs)
        parts = [domains == number for number in np.unique(domains)] if self.apart else []
        parts = [rows for rows in parts if len(np.unique(labels[rows])) > 1] or [domains >= 0]
        sources = [(through(self._scaled(ours[rows]), ours[rows]), labels[rows]) for rows in parts]
        with threadpool_limits(1 if ours.size < 10_000_000 else None, user_api="blas"):
            found = combine(self.alignment, sources, (z, known), self.head, problem.task.outputs)
        if len(parts) > 1:
            weights = ", ".join(f"{weight:.2f}" for weight in found.weights)
            model.notes["weights of the source's domains"] = f"{weights}, in the order in which they were given"
            model.head = nn.Sequential(second, Mixture([_single(layer) for layer in found.layers], found.weights))
        else:
            model.head = nn.Sequential(second, *_single(found.layers[0]).children())
        model.classes, model.task = problem.task.classes, problem.task
        return model

    def _scaled(self, x: np.ndarray) -> Scale:
        """The layer that scales one domain, fitted on its features (N, D); constant ones are only centred."""
        raw = Scale({"mean": np.zeros(x.shape[1]), "deviation": np.ones(x.shape[1])}, rows=self.rows)
        if not self.scale:
            return raw
        divided = through(raw, x)
        deviation = divided.std(0)
        deviation[deviation <= 1e-12 * np.abs(divided).max(0, initial=1.0)] = 1.0
        return Scale({"mean": divided.mean(0), "deviation": deviation}, rows=self.rows)


def _read(model: Model, problem: Problem, unlabeled: bool) -> tuple[np.ndarray, ...]:
    """Features and labels of the source, then of the target, where -1 is a label that is not known.

    Last the domains of the source's examples.
    """
    target, source = problem.target, problem.source
    if source is None or (unlabeled and target.unlabeled is None):
        raise ValueError(f"there are no {'source' if source is None else 'unlabeled'} examples to align")
    if problem.task.labels is not Labels.CLASSES:
        raise CandidateError("features are aligned for classes only")
    labels = common(problem)
    ours, known = ([read(target.train, model, problem)], [target.train.labels]) if problem.labelled else ([], [])
    if target.unlabeled is not None:
        ours = [*ours, read(target.unlabeled, model, problem)]
        known = [*known, np.full(len(target.unlabeled), -1)]
    here, of = labels >= 0, source.train.examples.domains
    domains = np.zeros(len(labels), dtype=int) if of is None else of
    theirs = np.concatenate(ours), np.concatenate(known)
    return read(source.train, model, problem)[here], labels[here], *theirs, domains[here]


def _single(layer: nn.Module) -> nn.Module:
    """The layers with those that are trained elsewhere in single precision, as models have them."""
    for part in layer.modules():
        if isinstance(part, nn.Linear):
            part.float()
    return layer
