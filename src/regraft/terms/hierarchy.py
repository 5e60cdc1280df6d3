"""Being right about groups of classes."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from scipy.cluster.hierarchy import average, to_tree
from torch import Tensor

from regraft.core.batch import Stream
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.features import features
from regraft.model import Model, Problem
from regraft.terms._base import Bound, Round, Term


@settings
class Hierarchy(Term):
    """Minus the log probability of the groups that an example's class lies in, the mean over these and the examples.

    A group's probability is the sum of its classes'. Groups of one class, and of all, say nothing and are left out; an
    example whose class lies in no group counts as zero.
    Reference: Dhall et al., Hierarchical image classification using entailment cone embeddings, CVPR workshops 2020,
    section 3 (the marginalisation classifier); Bertinetto et al., Making better mistakes, CVPR 2020, section 3.1.
    """

    streams: ClassVar[frozenset[Stream]] = frozenset({Stream.TARGET})
    parents: Mapping[str, str] | None = None
    """Class or group to the group it lies in; None: a tree by average linkage of the classes' mean source features."""

    def bind(self, model: Model, problem: Problem) -> Bound:
        """See `Term.bind`.

        Raises:
            UserError: no class of the target is in the hierarchy, or it goes in a circle.
        """
        classes = problem.target.train.classes
        groups = clustered(model, problem) if self.parents is None else grouped(classes, self.parents)
        return _Hierarchy(torch.from_numpy(groups).float())


def grouped(classes: tuple[str, ...], parents: Mapping[str, str]) -> np.ndarray:
    """Which classes (A, K) each group holds; see `useful`.

    Raises:
        UserError: no class is in the hierarchy, or it goes in a circle.
    """
    if not set(classes) & parents.keys():
        raise UserError(
            f"the hierarchy names none of the target's classes ({', '.join(classes[:5])}, ...); "
            "give each class of the target a line with its parent"
        )
    groups: dict[str, set[int]] = {}
    for place, name in enumerate(classes):
        above = [name]
        while above[-1] in parents:
            above.append(parents[above[-1]])
            if above[-1] in above[:-1]:
                raise UserError(
                    f"the hierarchy goes in a circle: {' in '.join(above)}; give {name!r} a parent above it"
                )
            groups.setdefault(above[-1], set()).add(place)
    return useful(np.array([[place in held for place in range(len(classes))] for held in groups.values()]))


def clustered(model: Model, problem: Problem) -> np.ndarray:
    """The groups (A, K) of a binary tree over the classes that the labelled target has; see `useful`."""
    train, preprocess = problem.target.train, problem.backbone.preprocess
    x, present = features(model.backbone, train, preprocess, problem.memory), np.unique(train.labels)
    held = np.zeros((0, len(train.classes)), bool)
    if len(present) > 2:
        means = np.stack([x[train.labels == k].mean(0) for k in present]).astype(float)
        nodes = to_tree(average(means), rd=True)[1]
        held = np.zeros((len(nodes), len(train.classes)), bool)
        for row, node in zip(held, nodes, strict=True):
            row[present[node.pre_order()]] = True
        held = held[held.sum(1) < len(present)]  # the whole says nothing, also where some classes have no examples
    return useful(held)


def useful(groups: np.ndarray) -> np.ndarray:
    """The different groups (A, K) of more than one class and less than all."""
    count = groups.sum(1)
    kept: np.ndarray = np.unique(groups[(count > 1) & (count < groups.shape[1])], axis=0)
    return kept


class _Hierarchy(Bound):
    groups: Tensor

    def __init__(self, groups: Tensor) -> None:
        super().__init__()
        self.register_buffer("groups", groups)

    def forward(self, round_: Round) -> Tensor:
        view = round_.view(Stream.TARGET)
        if not len(self.groups):
            return view.outputs.sum() * 0.0
        assert view.targets is not None
        held = view.outputs.float().softmax(1) @ self.groups.T
        mine = self.groups.T[view.targets]
        losses = -(held.clamp_min(1e-12).log() * mine).sum(1) / mine.sum(1).clamp_min(1)
        return losses.mean()
