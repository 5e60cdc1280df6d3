"""Learning from unlabelled examples: a source in the making."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from regraft.backbones._base import Backbone
from regraft.bench import Bench
from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.errors import CandidateError, UserError
from regraft.core.seeding import derive
from regraft.data.dataset import Dataset, Domain
from regraft.data.examples import Examples
from regraft.methods._base import Method
from regraft.model import Model, Problem
from regraft.opening import backbone_for, known_by
from regraft.sources import check
from regraft.tasks.classification import Classification
from regraft.training import run
from regraft.understanding import fastest

LEAST = 32
"""Different examples that there must be."""
_EPOCHS = 50
_STEPS = (100, 5000)  # the fewest and the most in that, whatever the number of examples
_SAFE = 1.5  # views are made and losses computed besides the passes that are measured


@dataclass(frozen=True)
class Start:
    """What self-supervised training starts from: ``source``, or with None ``backbone`` at random, and ``method``.

    Without a method it is masked modelling for texts, where views are hard to make, and contrastive for the rest.
    """

    backbone: str
    source: str | None
    method: str

    def named(self, examples: Examples) -> tuple[str, Method]:
        """The method and its name, checked against what there is to learn from.

        Raises:
            UserError: it needs labels, or it cannot learn from examples of this kind, or there are too few.
        """
        name = self.method or ("masked" if examples.kind == "text" else "contrastive")
        method: Method = entry("methods", name)
        able = [n for n in catalog.names("methods") if not catalog.find("methods", n).labels]
        if method.labels:
            raise UserError(f"method {name!r} learns from labels; without any there is: {', '.join(able)}")
        if examples.kind not in method.kinds:
            others = " or ".join(n for n in able if examples.kind in catalog.find("methods", n).kinds)
            fix = f"give --method {others}" if others else "no method does without labels; give --data with labels"
            raise UserError(f"method {name!r} cannot learn from {examples.noun}s; {fix}")
        found = len(set(examples.digests))
        if found < LEAST:
            raise UserError(
                f"there are {found} different unlabelled {examples.noun}s to learn from; give at least {LEAST}"
            )
        return name, method

    def check(self, examples: Examples) -> None:
        """Refuse what cannot be done, in a few seconds and leaving nothing behind.

        Raises:
            UserError: as `named`; or the network cannot be opened, takes other examples, or does not suit the method.
        """
        method = self.named(examples)[1]
        if self.source is not None:
            check(self.source)
            if self.source.startswith("data:"):
                raise UserError(f"train {self.source} first: regraft train --data DIR; its folder then is a --source")
        backbone, model = self._opened(examples, None)
        nothing = Dataset(examples.take([]), np.empty(0), np.empty(0, np.int64))
        problem = self._problem(backbone, model, nothing, 0)
        for phase in method.phases(problem):
            for weighted in phase.terms.values():
                weighted.term.bind(model, problem)

    def train(self, examples: Examples, steps: int | None, bench: Bench) -> tuple[Model, Backbone, int]:
        """The trained network without a head, its backbone, and the steps that it took.

        Without ``steps`` these are as many as the budget affords, up to 50 epochs.

        Raises:
            UserError: training broke down.
        """
        method = self.named(examples)[1]
        backbone, model = self._opened(examples, bench)
        unlabeled = bench.dataset(examples.unlabelled(), backbone.preprocess)
        runtime, pace = fastest(model.train(), unlabeled, backbone.preprocess, bench, "training")
        batch = min(method.descent.batch_size, len(examples))  # type: ignore[attr-defined]
        full = float(np.clip(_EPOCHS * len(examples) / batch, *_STEPS))
        slow = _SAFE * method.cost * batch * pace
        steps = steps or bench.journal.once("steps", lambda: _rounded(min(full, bench.clock.left() / slow)))
        problem = self._problem(backbone, model, unlabeled, bench.seed)
        try:
            with bench.engine("training", runtime, steps) as engine:
                return run(model, method.with_steps(steps).phases(problem), problem, engine), backbone, steps
        except CandidateError as error:
            raise UserError(f"training broke down ({error}); try another --method, --backbone or --seed") from error

    def _opened(self, examples: Examples, bench: Bench | None) -> tuple[Backbone, Model]:
        if self.source is not None:
            backbone, known, *_ = known_by(self.source, examples, bench)
            return backbone, Model(known.backbone, nn.Identity(), ())
        backbone = backbone_for(self.backbone, examples)
        torch.manual_seed(derive(bench.seed if bench else 0, "source"))
        return backbone, Model(backbone.build(pretrained=False), nn.Identity(), ())

    def _problem(self, backbone: Backbone, model: Model, unlabeled: Dataset, seed: int) -> Problem:
        """All that the method may see: no label is in it."""
        target = Domain("target", unlabeled, unlabeled)
        return Problem(Classification(), target, backbone, seed, model if self.source else None)


def _rounded(steps: float) -> int:
    """Two digits, rounded down, so that small changes of a measured speed change little; 10 at least."""
    unit = 10 ** max(0, len(str(int(steps))) - 2)
    return max(10, int(steps) // unit * unit)
