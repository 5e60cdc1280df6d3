"""The one training loop: phases of edits and descents on a sum of terms."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from regraft import checkpoint
from regraft.core.batch import Batch, Stream
from regraft.core.config import Choice, settings
from regraft.core.errors import CandidateError, UserError
from regraft.core.seeding import derive
from regraft.data.splits import holdout_split
from regraft.edits._base import AnyEdit
from regraft.feeding import Feed
from regraft.folding import folded
from regraft.model import Model, Problem
from regraft.optimisation import Descent, build, set_rate
from regraft.runtime import Runtime
from regraft.selectors._base import Selector
from regraft.terms._base import Round, Weighted


@settings
class Phase:
    """Some edits, then a descent on a weighted, named sum of terms."""

    edits: tuple[AnyEdit, ...] = ()
    """Changes to the model, in order."""
    terms: dict[str, Weighted] = field(default_factory=dict)
    """The summands of the objective by name; with none, there is no descent."""
    descent: Descent = Descent()
    """How to lower the objective."""
    select: Annotated[Selector, Choice("selectors")] | None = None
    """What picks the step whose weights are kept; None keeps the last."""
    aside: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the labelled target that this phase does not learn from, for a selector or an edit that reads it."""

    @property
    def needs(self) -> frozenset[Stream]:
        """The streams that a step draws."""
        return frozenset().union(*(weighted.term.needs for weighted in self.terms.values()))

    @property
    def watches(self) -> frozenset[Stream]:
        """Those of them whose layers are read."""
        return frozenset().union(*(weighted.term.watches for weighted in self.terms.values()))


SAVING = 0.05
"""Share of the time that savings may take."""
DISK = 5e8
"""Bytes a second that a disk is taken to write until the first saving has told."""


@dataclass(frozen=True)
class Progress:
    """Where training is: phase, step of steps, the value of each term."""

    phase: int
    step: int
    steps: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Engine:
    """What training runs on and reports to.

    ``checkpoint``: file that makes an interrupted run go on to bit-identical weights; None for no saving.
    ``every``: seconds between savings, more where one takes long (`SAVING`), or 0 for one in each step. When they
    happen changes nothing in the result.
    """

    runtime: Runtime = Runtime()
    log: Callable[[Progress], None] = lambda progress: None
    checkpoint: Path | None = None
    every: float = 5.0


def run(model: Model, phases: tuple[Phase, ...], problem: Problem, engine: Engine = Engine()) -> Model:
    """Run the phases in order on a copy of ``model`` and return the copy, in evaluation mode.

    Raises:
        CandidateError: the loss is not a number, or memory runs out even for single examples.
    """
    model = deepcopy(model)
    model.notes, model.temperature = {}, 1.0  # what was found out about the old weights
    saved = checkpoint.load(engine.checkpoint) if engine.checkpoint else None
    begin = saved[1]["phase"] if saved else 0
    with engine.runtime.limited():
        for number, phase in enumerate(phases):
            # Edits are repeated on resuming: they rebuild the shape that the saved weights fit into.
            torch.manual_seed(derive(problem.seed, "edits", number))
            part = _divided(problem, phase.aside)
            model.head_tempo = 1.0
            for edit in phase.edits:
                model = edit.apply(model, part)
            if phase.terms and number >= begin:
                engine.runtime.place(model.train())
                with folded(model.backbone, problem.backbone.preprocess.sample(2)):
                    live = _Live(model, phase, part, engine, number)
                    live.restore(saved if number == begin else None)
                    live.descend()
        engine.runtime.place(model)
    return model.eval()


class _Live:
    """A descent under way: everything that changes from step to step, so everything that a checkpoint holds."""

    def __init__(self, model: Model, phase: Phase, problem: Problem, engine: Engine, number: int) -> None:
        self.model, self.phase, self.problem, self.engine, self.number = model, phase, problem, engine, number
        self.options = phase.descent
        self.bound = nn.ModuleDict({name: w.term.bind(model, problem) for name, w in phase.terms.items()})
        engine.runtime.place(self.bound)
        self.optimizer = build(model, self.bound, self.options)
        self.average = [p.detach().clone() for p in self._learning()] if self.options.average else []
        self.best: dict[str, Tensor] = {}
        self.best_score, self.waited, self.step = -math.inf, 0, 0
        self.micro = self.options.micro_batch or self.options.batch_size
        self.buffers = [*model.backbone.buffers(), *model.head.buffers()]

    def descend(self) -> None:
        """Take the steps that are left, then put the weights to keep into the model."""
        feeds = {stream: self._feed(stream) for stream in sorted(self.phase.needs)}
        last, saving = time.monotonic(), 4 * sum(p.nbytes for p in self._learning()) / DISK  # also moments and average
        while self.step < self.options.steps and not self._patience_is_over():
            pause = self.engine.every and max(self.engine.every, saving / SAVING)
            if self.engine.checkpoint and (begun := time.monotonic()) - last > pause:
                self._save(self.engine.checkpoint)
                last = time.monotonic()
                saving = last - begun
            losses = self._take_step({stream: feed.batch(self.step) for stream, feed in feeds.items()})
            self.step += 1
            self.engine.log(Progress(self.number, self.step, self.options.steps, losses))
            self._validate()
        self._keep()

    def _feed(self, stream: Stream) -> Feed:
        seed = derive(self.problem.seed, "phase", self.number)
        data = self.problem.examples(stream)
        feed = Feed(data, stream, seed, self.problem.backbone.preprocess, self.engine.runtime)
        augment = self.options.twin if stream is Stream.TWIN and self.options.twin else self.options.augment
        feed.vary(self.options.batch_size, augment, self.options.views)
        feed.remember(self.model.backbone, self.model.frozen_stages())
        return feed

    def _take_step(self, batches: Mapping[Stream, Batch]) -> dict[str, float]:
        set_rate(self.optimizer, self.options, self.step)
        losses = self._gradients(batches)
        finite = all(math.isfinite(value) for value in losses.values())
        if self.options.clip:
            every = [p for group in self.optimizer.param_groups for p in group["params"]]
            finite &= math.isfinite(nn.utils.clip_grad_norm_(every, self.options.clip).item())
        if not finite:
            raise CandidateError(f"not a number at step {self.step} of phase {self.number}: {losses}")
        self.optimizer.step()
        if self.average:
            decay = min(self.options.average, (1 + self.step) / (10 + self.step))  # a short run forgets its start
            torch._foreach_lerp_(self.average, [p.detach() for p in self._learning()], 1 - decay)
        return losses

    def _gradients(self, batches: Mapping[Stream, Batch]) -> dict[str, float]:
        # A failed pass may have moved batch statistics; weights that are kept for later it has not.
        before = [buffer.clone() for buffer in self.buffers]
        while True:
            # Dropout draws from the global generator: seeded by the step, it needs no saving either.
            self.engine.runtime.seed(derive(self.problem.seed, "step", self.number, self.step))
            self.optimizer.zero_grad()
            try:
                return self._backward(batches)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if self.micro == 1:
                    raise CandidateError("out of memory, even for one example at a time") from error
                self.micro //= 2
                for buffer, value in zip(self.buffers, before, strict=True):
                    buffer.copy_(value)

    def _backward(self, batches: Mapping[Stream, Batch]) -> dict[str, float]:
        longest = max((len(batch.inputs) for batch in batches.values()), default=1)
        parts = -(-longest // self.micro)
        pieces = {stream: batch.split(parts) for stream, batch in batches.items()}
        sums: dict[str, float] = dict.fromkeys(self.phase.terms, 0.0)
        for i in range(parts):
            drawn = {stream: piece[i] for stream, piece in pieces.items()}
            round_ = Round(self.model, drawn, self.step / self.options.steps, self.phase.watches)
            shares = {name: _share(self.phase.terms[name], drawn, batches, parts) for name in self.bound}
            with self.engine.runtime.compute(self.model.backbone):
                losses = {name: self.bound[name](round_) for name, share in shares.items() if share}
            values = [self.phase.terms[n].at(round_.progress) * shares[n] * x.float() for n, x in losses.items()]
            if values:
                torch.stack(values).sum().backward()
            for name, loss in losses.items():
                sums[name] += loss.item() * shares[name]
        return sums

    def _validate(self) -> None:
        if self.phase.select is None or (self.step % self.options.validate_every and self.step < self.options.steps):
            return
        now = [p.detach().clone() for p in self._learning()] if self.average else []
        self._put(self.average)  # what would be kept is what is scored
        score = self.phase.select(self.model, self.problem)
        self.waited += 1
        if self.phase.select.better(score, self.best_score):
            self.best_score, self.waited = score, 0
            self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
        self._put(now)

    def _patience_is_over(self) -> bool:
        return self.options.patience is not None and self.waited > self.options.patience

    def _keep(self) -> None:
        self._put(self.average)
        if self.best:
            self.model.load_state_dict(self.best)

    def _put(self, weights: list[Tensor]) -> None:
        for parameter, value in zip(self._learning(), weights, strict=False):  # none: no change
            parameter.data.copy_(value)

    def _learning(self) -> Iterator[nn.Parameter]:
        return (p for p in self.model.parameters() if p.requires_grad)

    def _save(self, path: Path) -> None:
        moments = self.optimizer.state_dict()["state"]
        tensors: dict[str, Mapping[str, Tensor]] = {
            "model": self.model.state_dict(),
            "bound": self.bound.state_dict(),
            "average": {str(i): t for i, t in enumerate(self.average)},
            "best": self.best,
            "optimizer": {f"{i}/{name}": t for i, named in moments.items() for name, t in named.items()},
        }
        names = ("step", "micro", "best_score", "waited")
        checkpoint.save(path, tensors, {"phase": self.number, **{name: getattr(self, name) for name in names}})

    def restore(self, saved: tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None) -> None:
        """Go on from a checkpoint of this phase."""
        if saved is None:
            return
        tensors, values = saved
        self.model.load_state_dict(tensors["model"])
        self.bound.load_state_dict(tensors.get("bound", {}))
        self.average = [checkpoint.like(tensors["average"][str(i)], a) for i, a in enumerate(self.average)]
        self.best = tensors.get("best", {})
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for key, tensor in tensors.get("optimizer", {}).items():
            number, name = key.split("/")
            owner = parameters[int(number)]
            value = checkpoint.like(tensor, owner) if tensor.shape == owner.shape else tensor
            self.optimizer.state[owner][name] = value
        for name in ("step", "micro", "best_score", "waited"):
            setattr(self, name, values[name])


def _divided(problem: Problem, share: float) -> Problem:
    """The problem with about ``share`` of the labelled target set aside, the same for all phases.

    As it is, if labels were set aside already, or if a class has a single example.
    """
    target = problem.target
    if not share or target.validation is not None:
        return problem
    try:
        learn, aside = holdout_split(target.train.examples, share, derive(problem.seed, "aside"))
    except UserError:
        return problem
    return replace(problem, target=replace(target, train=target.train.take(learn), validation=target.train.take(aside)))


def _share(weighted: Weighted, drawn: Mapping[Stream, Batch], whole: Mapping[Stream, Batch], parts: int) -> float:
    """How much of a term's batch is in this piece: pieces differ in size, and a short stream has none in some."""
    shares = [len(drawn[s].inputs) / len(whole[s].inputs) for s in weighted.term.needs]
    return (sum(shares) / len(shares) if all(shares) else 0.0) if shares else 1 / parts


def _out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in text
