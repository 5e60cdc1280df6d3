"""Text networks of Hugging Face."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from regraft.backbones._base import Backbone, Network
from regraft.backbones._hub import reads_text
from regraft.backbones._text import inside, last_of, mean_of
from regraft.backbones.hf_pictures import HfPictures
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

_OTHERS: dict[str, type[HfSound | HfPictures]] = {"audio": HfSound, "image": HfPictures}
"""What is made of a name where the examples are of that kind."""


@settings
class Hf(Backbone):
    """A text network of Hugging Face: ``hf:bert-base-uncased``, ``hf:path/to/folder``, with its own tokenizer.

    For recordings and pictures the same names stand for networks of those: see `HfSound` and `HfPictures`.
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
        """See `Backbone.suited`: as many tokens as nearly all examples have. What takes no text is another backbone."""
        if examples.kind in _OTHERS and not reads_text(self._config()):
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
        config, library = self._config(), _library()
        load(self.arch)  # a network without its tokenizer is of no use: say so before anything is trained
        if pretrained:
            network = _told(lambda: library.AutoModel.from_pretrained(self.arch, trust_remote_code=False), self.arch)
        else:
            network = _told(lambda: library.AutoModel.from_config(config, trust_remote_code=False), self.arch)
        if config.is_encoder_decoder:
            network = network.get_encoder()
        if getattr(network, "pooler", None) is not None:
            network.pooler = None  # made for another purpose, and never trained by half of those who publish it
        pooled = _Pooled(network.float(), self._pool(config))
        return Network([pooled], config.hidden_size, _by_depth(network))

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
        return _told(lambda: _library().AutoConfig.from_pretrained(self.arch, trust_remote_code=False), self.arch)


class _Pooled(nn.Module):
    """A network of the library, from token numbers (B, L) to features (B, D)."""

    def __init__(self, network: nn.Module, pool: str) -> None:
        super().__init__()
        self.network, self.pool = network, pool

    def forward(self, tokens: Tensor) -> Tensor:
        mask = inside(tokens)
        states = self.network(input_ids=tokens.clamp_min(0), attention_mask=mask.long()).last_hidden_state
        return last_of(states, mask) if self.pool == "last" else mean_of(states, mask)


def _by_depth(network: nn.Module) -> list[nn.Module]:
    """The parts that hold parameters, as the library lists them, lists of layers opened up."""
    found: list[nn.Module] = []
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            found += list(child)
        elif any(isinstance(m, nn.ModuleList) for m in child.modules()):
            found += _by_depth(child)
        else:
            found.append(child)
    return [m for m in found if any(True for _ in m.parameters())]


def _library() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError("hf: sources need the extra 'hf': pip install 'regraft[hf]'") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _told(load: Any, arch: str) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if Path(arch).is_dir():
            said = str(error).strip().splitlines()[0][:200]
            raise UserError(f"the folder {arch} is not a network that transformers can read: {said}") from error
        raise UserError(
            f"{arch!r} is not on this machine and its hub cannot be reached; bring its files (config.json, "
            f"model.safetensors and the tokenizer's) in a folder and name that: hf:path/to/folder"
        ) from error
