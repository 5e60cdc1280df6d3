"""Learned keys and values before those of each text."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from regraft.backbones._text import entered
from regraft.backbones._transformer import library_of
from regraft.core.config import settings
from regraft.core.errors import CandidateError
from regraft.core.extras import missing
from regraft.edits._base import Structural
from regraft.model import Model


@settings
class Prefix(Structural):
    """Freeze the backbone and let each attention of it read learned keys and values before those of the text.

    They are those of tokens drawn at random plus what a small network, with the library peft, makes of learned vectors:
    nothing at first (the paper's section 4.3, and real words as its section 7.4 advises). Tokens are counted from after
    the prefix, and only they are pooled. It takes a transformer of text from Hugging Face whose attention can be given
    keys and values, as BERT, RoBERTa, GPT-2 and Llama can. It cannot be merged: a saved model is built again with it.
    Needs the extra ``peft``.
    Reference: Li and Liang, Prefix-tuning: optimizing continuous prompts for generation, ACL 2021, eq. 3.
    """

    tokens: Annotated[int, Field(ge=1)] = 8
    """Length of the prefix."""
    width: Annotated[int, Field(ge=1)] = 128
    """Hidden numbers of the small network (the paper's k)."""

    def build(self, model: Model, sample: Tensor) -> None:
        """See `Structural.build`.

        Raises:
            UserError: peft is not installed.
            CandidateError: the network takes no keys and values, or no longer texts.
        """
        try:
            import peft
        except ImportError as error:
            raise missing("peft") from error
        library = library_of(model.backbone)
        if library is None:
            raise CandidateError("a prefix needs a transformer of text from Hugging Face, whose attention reads it")
        embedding = entered(model.backbone, sample)
        drawn = torch.randint(embedding.num_embeddings, (1, self.tokens)).to(embedding.weight.device)
        start = _keys_and_values(model, library, drawn)
        pairs, heads, count, size = start.shape
        options = peft.PrefixTuningConfig(
            num_virtual_tokens=count,
            num_layers=pairs // 2,
            token_dim=heads * size,
            encoder_hidden_size=self.width,
            prefix_projection=True,
        )
        prefix = _Prefix(peft.PrefixEncoder(options), start).to(start.device)
        embedding.add_module("prefix", prefix)
        library.register_forward_pre_hook(prefix.before, with_kwargs=True)
        try:
            with torch.no_grad():
                model.backbone(sample)
        except (IndexError, RuntimeError) as error:
            raise CandidateError("the texts are as long as this network takes them: no room for a prefix") from error


class _Prefix(nn.Module):
    """Keys and values that start as ``start`` (2 * layers, heads, P, size): of each layer the keys, then the values."""

    start: Tensor

    def __init__(self, encoder: Any, start: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("start", start)
        nn.init.zeros_(encoder.transform[-1].weight)
        nn.init.zeros_(encoder.transform[-1].bias)

    def before(self, _: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Give the library's network the prefix as what it has read already, and a mask (B, P + L) that shows it."""
        pairs, heads, count, size = self.start.shape
        learned = self.encoder(torch.arange(count, device=self.start.device))
        each = self.start + learned.view(count, pairs, heads, size).permute(1, 2, 0, 3)
        mask = named["attention_mask"]
        cache = _cache()
        for layer, (keys, values) in enumerate(each.unsqueeze(1).expand(-1, len(mask), -1, -1, -1).split(2)):
            cache.update(keys, values, layer)
        return given, {
            **named,
            "past_key_values": cache,
            "attention_mask": torch.cat([mask.new_ones(len(mask), count), mask], 1),
        }


def _keys_and_values(model: Model, library: nn.Module, tokens: Tensor) -> Tensor:
    """Those (2 * layers, heads, P, size) of a text (1, P).

    Raises:
        CandidateError: attention of this network gives none away.
    """
    cache, was = _cache(), model.training
    hook = library.register_forward_pre_hook(
        lambda _, given, named: (given, {**named, "past_key_values": cache}), with_kwargs=True
    )
    try:
        with torch.no_grad():
            model.eval().backbone(tokens)
        found = [part for layer in cache.layers for part in (layer.keys, layer.values)]
        return torch.cat(found)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CandidateError(
            "a prefix needs attention that can be given keys and values; this network's cannot"
        ) from error
    finally:
        hook.remove()
        model.train(was)


def _cache() -> Any:
    from transformers import DynamicCache

    return DynamicCache()
