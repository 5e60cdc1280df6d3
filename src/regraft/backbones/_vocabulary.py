"""A vocabulary that changes: rows of embeddings carried over token by token, the rest drawn like them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from regraft.core.seeding import derive


def mapped(rows: Tensor, known: Sequence[str], tokens: Sequence[str]) -> Tensor:
    """The embeddings (T, D) of ``tokens``: those of the tokens ``known`` (K), from ``rows`` (K, D), and new ones.

    New ones are normal, with the mean and the deviation that the rows have in each of the D; always the same ones.
    """
    deviation = rows.std(0) if len(rows) > 1 else torch.zeros_like(rows[0])
    generator = torch.Generator().manual_seed(derive(0, "vocabulary", len(tokens)))
    found = rows.mean(0) + deviation * torch.randn(len(tokens), rows.shape[1], generator=generator)
    places = {token: i for i, token in enumerate(known)}
    shared = [(new, places[token]) for new, token in enumerate(tokens) if token in places]
    if shared:
        to, of = (list(numbers) for numbers in zip(*shared, strict=True))
        found[to] = rows[of]
    return found


def carry_over(old: nn.Module, new: nn.Module, known: Sequence[str], tokens: Sequence[str]) -> None:
    """Give ``new``, the same network for other ``tokens``, all that ``old`` has learned, its embeddings by token."""
    tables = [(m.num_embeddings, name) for name, m in old.named_modules() if isinstance(m, nn.Embedding)]
    name = f"{min(pair for pair in tables if pair[0] >= len(known))[1]}.weight"  # others are of positions and the like
    tensors = old.state_dict()
    rows = new.state_dict()[name].clone()  # some networks have more rows than tokens
    rows[: len(tokens)] = mapped(tensors[name][: len(known)], known, tokens)
    new.load_state_dict({**tensors, name: rows})


def told(known: Sequence[str], tokens: Sequence[str]) -> str:
    """How many were carried over, are new and were left."""
    both = len(set(known) & set(tokens))
    return f"{both:,} tokens carried over, {len(tokens) - both:,} new, {len(known) - both:,} left"
