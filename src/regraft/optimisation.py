"""The optimiser of a descent: parameter groups by depth, rates by step."""

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn

from regraft.augment import Augment
from regraft.core.config import settings
from regraft.model import Model


@settings
class Descent:
    """How a phase lowers its objective."""

    steps: Annotated[int, Field(ge=0)] = 200
    """Optimiser steps."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Examples of each stream in a step; fewer if the stream has fewer."""
    rate: Annotated[float, Field(gt=0)] = 1e-3
    """Largest learning rate: that of the head and, for convolutional networks, of the deepest layers."""
    optimizer: Literal["adamw", "sgd", "rmsprop"] = "adamw"
    """``adamw``, ``sgd`` (with momentum) or ``rmsprop``."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of ``sgd``."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay (an L2 penalty for ``sgd`` and ``rmsprop``)."""
    layer_decay: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the rate for each block further from the head."""
    head_factor: Annotated[float, Field(ge=0)] = 1.0
    """Factor on the rate of the head."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the steps over which the rate grows from zero."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """After the warm-up: ``cosine`` (down to zero) or ``constant``."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the running average of the weights, which then is the result; 0 for none."""
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    """Examples forwarded at once; gradients of a batch are accumulated. Halved when memory runs out."""
    augment: Augment | None = Augment()
    """How pictures are varied; None for not at all."""
    twin: Augment | None = None
    """How the second view of unlabelled examples is varied, where a term asks for one; None: as the first."""
    views: Annotated[int, Field(ge=1)] | None = None
    """Variants of each picture; None for new ones each epoch. With a number, frozen layers run once per variant."""
    patience: Annotated[int, Field(ge=0)] | None = None
    """Validations without a better score after which the descent stops (with a selector)."""
    validate_every: Annotated[int, Field(ge=1)] = 20
    """Steps between validations (with a selector)."""


def build(model: Model, bound: nn.Module, options: Descent) -> torch.optim.Optimizer:
    """An optimiser of the parameters that may learn, in groups of those with the same ``factor`` on the rate."""
    depths, tempo = model.depth_groups(), model.backbone.tempo
    # What must learn fast gives small features; a head that learns alone has a rate of its own.
    head = options.head_factor * (max(1.0, tempo, model.head_tempo) if any(depths[:-1]) else 1.0)
    factors = [tempo * options.layer_decay ** (len(depths) - 2 - depth) for depth in range(len(depths) - 1)]
    extra = [p for p in bound.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = []
    for parameters, factor in zip((*depths, extra), (*factors, head, options.head_factor), strict=True):
        if groups and groups[-1]["factor"] == factor:  # each group is a call more in every step
            groups[-1]["params"] += parameters
        elif parameters:
            groups.append({"params": [*parameters], "factor": factor})
    if options.optimizer == "adamw":
        return torch.optim.AdamW(groups, options.rate, weight_decay=options.weight_decay, fused=True)
    if options.optimizer == "sgd":
        return torch.optim.SGD(
            groups, options.rate, options.momentum, weight_decay=options.weight_decay, nesterov=options.momentum > 0
        )
    return torch.optim.RMSprop(groups, options.rate, weight_decay=options.weight_decay)


def set_rate(optimizer: torch.optim.Optimizer, options: Descent, step: int) -> None:
    """Set every group's rate for ``step``: a pure function of the step, so there is no schedule to save."""
    warm = max(1, round(options.warmup * options.steps))
    rate = options.rate * min(1.0, (step + 1) / warm)
    if options.schedule == "cosine" and step >= warm:
        rate *= 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, options.steps - warm)))
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
