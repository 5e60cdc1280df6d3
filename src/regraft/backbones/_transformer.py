"""Text networks of transformers: their tokens pooled, and cut into layers, which are proven to be the network."""

from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones._base import Network
from regraft.backbones._decompose import uncut
from regraft.backbones._text import aligned, inside, pooled, trial
from regraft.preprocessing._text import PAD

_FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError, AssertionError)


def transformer(network: nn.Module, pool: str) -> Network:
    """``network``, from token numbers (B, L) to features (B, D), cut into its layers if that gives its own numbers.

    ``pool``: see `Hf.pool`.
    """
    config: Any = network.config
    config.use_cache = False  # of what was said before, for those who generate text
    whole = _Whole(network, ("last" if _causal(network) else "mean") if pool == "auto" else pool)
    return _cut(whole) or uncut(whole, config.hidden_size)


class _Whole(nn.Module):
    """A network of the library as it is, its states pooled."""

    def __init__(self, network: Any, pool: str) -> None:
        super().__init__()
        self.network, self.pool = network, pool

    def forward(self, tokens: Tensor) -> Tensor:
        """Token numbers (B, L), filled up on either side, to features (B, D)."""
        tokens = aligned(tokens)
        states = self.network(**_inputs(self.network, tokens)).last_hidden_state
        return pooled(states, inside(tokens), self.pool)

    def extra_repr(self) -> str:
        """What tells apart networks of the same weights."""
        return self.pool


class Transformer(Network):
    """The embeddings, then one stage a layer, the last with what the network has after it and the pooling.

    Between stages are states (B, L, D + 1) of which the last channel is 1 where there is a token, so that what was
    remembered after any stage says by itself where each text ends. What else a layer is given (masks, positions)
    depends on that alone: it is what the library gives to a stand-in for the layer.
    """

    def __init__(self, frame: nn.Module, parts: tuple[list[nn.Module], list[nn.Module]], pool: str) -> None:
        before, after = parts
        slots = [m for m in frame.modules() if isinstance(m, _Slot)]
        stages = [nn.ModuleList(before), *(nn.ModuleList([slot.layer[0]]) for slot in slots)]
        stages[-1].extend(after)
        config: Any = frame.config
        super().__init__(stages, config.hidden_size)
        self.pool = pool
        self._frame, self._slots = [frame], slots  # lists: all that learns in them is in the stages

    def forward(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """See `Network.forward`."""
        last = len(self.stages)
        stop = last if stop is None else stop
        if start >= stop:
            return x
        if start:
            mask = x[..., -1] > 0
            longest = int(mask.sum(1).max())
            states, mask = x[:, :longest, :-1], mask[:, :longest]
            with torch.no_grad():
                _, given = self._enter(torch.where(mask, 0, PAD))
        else:
            x = aligned(x)
            mask = inside(x)
            states, given = self._enter(x)
        for stage, (values, named) in list(zip(self.stages[1:], given, strict=True))[max(start, 1) - 1 : stop - 1]:
            layer, *after = stage.children()
            states = _first(layer(states, *values, **named))
        if stop < last:
            return torch.cat([states, mask.unsqueeze(2).to(states.dtype)], 2)
        for part in after:
            states = part(states)
        return pooled(states, mask, self.pool)

    def depths(self, tokens: Tensor) -> list[Tensor]:
        """Pooled features (B, D) after the embeddings and after each layer; the last are those of the network."""
        found, x = [], tokens
        for number in range(len(self.stages) - 1):
            x = self(x, number, number + 1)
            found.append(pooled(x[..., :-1], x[..., -1] > 0, self.pool))
        return [*found, self(x, len(self.stages) - 1)]

    def extra_repr(self) -> str:
        """What tells apart networks of the same weights."""
        return self.pool

    def _enter(self, tokens: Tensor) -> tuple[Tensor, list[Any]]:
        """The embedded tokens (B, L, D) and what each layer is given beside its states."""
        self._frame[0](**_inputs(self._frame[0], tokens))
        seen = [slot.taken() for slot in self._slots]
        return seen[0][0], [rest for _, rest in seen]


def library_of(network: Network) -> nn.Module | None:
    """The library's own network, which is given the tokens; None where there is none."""
    if isinstance(network, Transformer):
        return network._frame[0]
    return next((m.network for m in network.modules() if isinstance(m, _Whole)), None)


class _Slot(nn.Module):
    """In the place of a layer: notes what the library gives to it and gives the states on."""

    def __init__(self, layer: nn.Module, gives: type) -> None:
        super().__init__()
        self.layer, self.gives = [layer], gives  # a list: its weights are not of the frame
        self.seen: Any = None
        self.attention_type = getattr(layer, "attention_type", None)  # some networks ask their layers for it

    def forward(self, states: Tensor, *given: Any, **named: Any) -> Any:
        self.seen = states, (given, named)
        return (states,) if self.gives is tuple else states

    def taken(self) -> Any:
        seen, self.seen = self.seen, None
        return seen


def _cut(whole: _Whole) -> Transformer | None:
    """The network as a chain of its layers; None, and the network as it was, where that gives other numbers."""
    network, was = whole.network, whole.network.training
    lists = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.ModuleList) and len(m)]
    if not lists:
        return None
    name, layers = max(lists, key=lambda pair: sum(p.numel() for p in pair[1].parameters()))
    owner, _, leaf = name.rpartition(".")
    tokens = trial(network.config.vocab_size)
    network.eval()
    gives: list[type] = []
    hook = layers[0].register_forward_hook(lambda _, __, output: gives.append(type(output)))
    with torch.no_grad():
        wanted = whole(tokens)
    hook.remove()
    try:
        with torch.no_grad():
            setattr(network.get_submodule(owner), leaf, nn.ModuleList(_Slot(layer, gives[0]) for layer in layers))
            found = Transformer(network, _around(network, owner, tokens), whole.pool).eval()
            chained = tokens
            for number in range(len(found.stages)):
                chained = found(chained, number, number + 1)
            proven = torch.allclose(found(tokens), wanted, 1e-4, 1e-5) and torch.allclose(chained, wanted, 1e-4, 1e-5)
    except _FAILURES:
        proven = False
    if proven:
        return found.train(was)
    setattr(network.get_submodule(owner), leaf, layers)
    network.train(was)
    return None


def _causal(network: nn.Module) -> bool:
    """Whether no token sees what follows it: then only the last has seen the whole text."""
    was = network.training
    tokens = trial(network.config.vocab_size)[:1]  # type: ignore[union-attr, arg-type]
    with torch.no_grad():
        long, short = (network.eval()(**_inputs(network, x)).last_hidden_state for x in (tokens, tokens[:, :3]))
    network.train(was)
    return torch.allclose(long[:, :3], short, 1e-4, 1e-5)


def _around(frame: nn.Module, owner: str, tokens: Tensor) -> tuple[list[nn.Module], list[nn.Module]]:
    """The parts of the network that are used before its layers, or never, and those that are used after them.

    Raises:
        ValueError: weights lie in no part, so that the stages would lack them.
    """
    names = owner.split(".") if owner else []
    holders = [frame.get_submodule(".".join(names[:depth])) for depth in range(len(names) + 1)]
    parts = [m for holder in holders for m in holder.children() if m not in holders and not _of_slots(m)]
    if any(True for h in holders for _ in (*h.parameters(recurse=False), *h.buffers(recurse=False))):
        raise ValueError("loose weights")
    slots, after = [m for m in frame.modules() if isinstance(m, _Slot)], []
    hooks = [p.register_forward_pre_hook(lambda m, _: after.append(m) if slots[-1].seen else None) for p in parts]
    try:
        frame(**_inputs(frame, tokens))
    finally:
        for hook in hooks:
            hook.remove()
    return [p for p in parts if p not in after], after


def _of_slots(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList) and all(isinstance(m, _Slot) for m in module)


def _inputs(network: Any, tokens: Tensor) -> dict[str, Tensor]:
    """What the library's networks take: an unused number where a text has ended, and a mask."""
    pad = max(0, getattr(network.config, "pad_token_id", None) or 0)
    mask = inside(tokens)
    return {"input_ids": torch.where(mask, tokens, pad), "attention_mask": mask.long()}


def _first(output: Any) -> Any:
    """The states in what a layer gives."""
    return output if isinstance(output, Tensor) else output[0]
