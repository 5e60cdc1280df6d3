"""Networks of Hugging Face: those of text, and the way to the others."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from regraft.backbones._base import Backbone, Network
from regraft.backbones._card import card
from regraft.backbones._hf import by_depth, config_of, network_of
from regraft.backbones._text import inside, pooled
from regraft.backbones.hf_sound import HfSound
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.preprocessing._text import fitting
from regraft.preprocessing.hf_tokens import HfTokens, load

_KEPT = "backbone"
"""Folder, beside a saved model, of its configuration and tokenizer."""
_MOST = 512
"""Tokens of a text that are read, at most."""
_OTHERS: dict[str, type[HfSound]] = {"audio": HfSound}
"""What is made of a name where the examples are of that kind."""


@settings
class Hf(Backbone):
    """A network of Hugging Face: ``hf:bert-base-uncased``, ``hf:path/to/folder``; of text, with its own tokenizer.

    Encoders give the mean over a text's tokens, decoders (the GPT-2 and Llama families) the state of its last token.
    """

    arch: str
    """Name on the hub, or a folder with config.json, model.safetensors and the tokenizer's files."""
    length: int = 64
    """Tokens of a text that are read, at most."""
    pool: str = "auto"
    """How tokens become one feature: ``mean``, ``last``, or ``auto``, by the family."""

    @property
    def preprocess(self) -> HfTokens:
        """See `Backbone.preprocess`."""
        return HfTokens(tokenizer=self.arch, length=self.length)

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        return f"text of up to {self.length} tokens, by its own tokenizer"

    def suited(self, examples: Examples) -> Backbone:
        """See `Backbone.suited`: as many tokens as nearly all examples have; of other kinds, what takes those."""
        if examples.kind in _OTHERS:
            return _OTHERS[examples.kind](arch=self.arch).suited(examples)
        super().suited(examples)
        most = min(_MOST, getattr(self._config(), "max_position_embeddings", None) or _MOST)
        lengths = [len(ids) for ids in replace(self.preprocess, length=most).tokenize(examples.items)]
        return replace(self, length=fitting(lengths, most))

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`.

        Raises:
            UserError: it is not on this machine and the hub cannot be reached, or it is not a text network.
        """
        config = self._config()
        load(self.arch)  # a network without its tokenizer is of no use: say so before anything is trained
        network = network_of(self.arch, config, pretrained)
        if config.is_encoder_decoder:
            network = network.get_encoder()
        if getattr(network, "pooler", None) is not None:
            network.pooler = None  # made for another purpose, and never trained by half of those who publish it
        pooled = _Pooled(network, self._pool(config))
        return Network([pooled], config.hidden_size, by_depth(network))

    @property
    def origin(self) -> Mapping[str, str]:
        """See `Backbone.origin`: what the front of the model card, README.md, says."""
        return card(Path(self.arch) / "README.md")

    def keep(self, folder: Path) -> Self:
        """See `Backbone.keep`."""
        self._config().save_pretrained(folder / _KEPT)
        load(self.arch).save_pretrained(folder / _KEPT)
        return replace(self, arch=_KEPT)

    def found(self, folder: Path) -> Self:
        """See `Backbone.found`."""
        return replace(self, arch=str(folder / _KEPT))

    def _pool(self, config: Any) -> str:
        if self.pool not in ("auto", "mean", "last"):
            raise UserError(f"option 'pool' of hf is {self.pool!r}; choose auto, mean or last")
        made_for = (config.architectures or [""])[0]
        causal = made_for.endswith(("ForCausalLM", "LMHeadModel")) or config.model_type in ("gpt2", "llama")
        return self.pool if self.pool != "auto" else ("last" if causal else "mean")

    def _config(self) -> Any:
        return config_of(self.arch)


class _Pooled(nn.Module):
    """A network of the library, from token numbers (B, L) to features (B, D)."""

    def __init__(self, network: nn.Module, pool: str) -> None:
        super().__init__()
        self.network, self.pool = network, pool

    def forward(self, tokens: Tensor) -> Tensor:
        mask = inside(tokens)
        states = self.network(input_ids=tokens.clamp_min(0), attention_mask=mask.long()).last_hidden_state
        return pooled(states, mask, self.pool)
