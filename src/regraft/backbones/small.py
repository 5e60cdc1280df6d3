"""Small networks that train from nothing in seconds."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

from regraft.backbones._base import Backbone, Network
from regraft.backbones._convolutional import convolutions
from regraft.backbones._spectrogram import frames, heard, hearing
from regraft.backbones._tabular import perceptron
from regraft.backbones._text import convolved
from regraft.core.config import Choice, settings
from regraft.core.errors import UserError, unknown
from regraft.data.channels import channels_of
from regraft.data.examples import Examples
from regraft.data.images import native_size
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing._text import fitting
from regraft.preprocessing.columns import Columns
from regraft.preprocessing.columns import learned as learned_columns
from regraft.preprocessing.images import Images
from regraft.preprocessing.subwords import Subwords, learned
from regraft.preprocessing.vectors import Vectors, measured
from regraft.preprocessing.waveform import Waveform
from regraft.preprocessing.waveform import fitting as fitting_sound

_MOST_TOKENS = 128
_ARCHS = {"image": "conv", "audio": "conv", "text": "words", "table": "mlp", "vector": "mlp"}


@settings
class Small(Backbone):
    """A network that trains from nothing in seconds: ``small:conv``, ``small:words`` or ``small:mlp``, by the data.

    ``conv``: three convolutions (one more for each doubling of the input above 32 pixels), each with batch norm, pooled
    to a grid of 2 x 2. The grid keeps some of where things are, which tiny pictures need: on 8 x 8 digits it is worth
    0.7 points over a global average. ``words``: embeddings of subwords and two convolutions over them. ``mlp``: two
    hidden layers over the columns of a table, or over vectors.
    """

    arch: str = ""
    """The architecture: ``conv``, ``words`` or ``mlp``; by the kind of the examples if left out."""
    weights: Path | None = None
    """A file of trained weights: none exists for these networks, which start at random."""
    size: int = 16
    """Pixels on a side of the input of ``conv``: 8 to 16 for characters, 64 for photographs."""
    channels: int = 3
    """Channels of the pictures: 3 for colour and grey."""
    text: Annotated[Subwords, Choice("preprocessing")] = Subwords()
    """How ``words`` reads text; its vocabulary is learned from the labelled target."""
    hears: Annotated[Waveform | None, Choice("preprocessing")] = None
    """How ``conv`` reads recordings, which it sees as spectrograms; None where it sees pictures."""
    table: Annotated[Columns | Vectors, Choice("preprocessing")] = Columns()
    """How ``mlp`` reads rows or vectors; what it knows of their numbers is learned from the labelled target."""

    def suited(self, examples: Examples) -> Self:
        """See `Backbone.suited`."""
        known = replace(self, arch=self.arch or _ARCHS.get(examples.kind, "conv"))
        if examples.kind == Waveform.kind and known.arch == "conv":
            hears = fitting_sound(examples.items)
            return replace(known, hears=hears, size=64 if frames(hears) >= 64 else 32)
        if examples.kind == Vectors.kind and known.arch == "mlp":
            return replace(known, table=measured(examples.items))
        super(Small, known).suited(examples)
        if known.arch == "words":
            return known.respelled(examples, keep=False)
        if known.arch == "mlp":
            return replace(known, table=learned_columns(examples.items))
        side = native_size(examples.items)
        size = next((s for s in (8, 16, 32) if side <= s), 64)
        return replace(known, size=size, channels=channels_of(examples.items))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """See `Backbone.vocabulary`."""
        return self.text.vocabulary

    def respelled(self, examples: Examples, keep: bool) -> Self:
        """See `Backbone.respelled`."""
        own = self.vocabulary if keep else ()
        added = (token for token in learned(examples.items) if token not in set(own))
        text = Subwords(vocabulary=(*own, *added), length=_MOST_TOKENS)
        lengths = [len(ids) for ids in text.tokenize(examples.items)]
        return replace(self, text=replace(text, length=fitting(lengths, _MOST_TOKENS)))

    @property
    def preprocess(self) -> Preprocess:
        """Pictures of ``size`` pixels, scaled to [-1, 1], recordings, text, rows, or vectors."""
        return {"words": self.text, "mlp": self.table}.get(self.arch) or self.hears or self._pictures

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        if self.arch == "words":
            return f"text of up to {self.text.length} of {len(self.text.vocabulary)} subwords, learned from the target"
        if self.arch == "mlp":
            read = self.table
            source = f" from {len(read.columns)} columns" if isinstance(read, Columns) else ""
            return f"{read.shape[0]} numbers{source}"
        return f"{heard(self.hears)}{self._pictures.described}"

    def build(self, pretrained: bool = True) -> Network:
        """The network, randomly initialised from torch's generator whether ``pretrained`` or not.

        Raises:
            UserError: an unknown architecture, a size below 8, or a file of weights.
        """
        self._check()
        if self.arch == "words":
            return convolved(len(self.text.vocabulary))
        if self.arch == "mlp":
            return perceptron(self.table.shape[0])
        network = convolutions(self.size, self.channels)
        return hearing(network, self.hears, self._pictures) if self.hears else network

    @property
    def _pictures(self) -> Images:
        return Images(size=self.size, channels=self.channels)

    def _check(self) -> None:
        if self.arch not in ("", *_ARCHS.values()):
            raise unknown("architecture of small", self.arch, sorted({*_ARCHS.values()}))
        if self.size < 8:
            raise UserError(f"small networks need pictures of at least 8 pixels on a side, got size {self.size}")
        if self.weights is not None:
            raise UserError(f"small networks have no file of weights, got {self.weights}; give a run instead")
