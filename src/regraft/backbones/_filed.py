"""What networks from files have in common: only trying them out tells what they want for inputs."""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from regraft.backbones._base import Backbone, Network
from regraft.backbones._sizes import USUAL, worth
from regraft.backbones._spectrogram import HEARD, heard, hearing
from regraft.backbones._weights import ALL_CONVENTIONS, AnyNormalise
from regraft.core.config import Choice, settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.data.images import native_size
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing.images import Images
from regraft.preprocessing.waveform import Waveform, fitting


@settings
class Filed(Backbone):
    """A network of pictures in a file that says nothing of normalisation, and not always of size.

    It also hears: by spectrograms; or by itself, if it takes waveforms, (N, samples) or (N, 1, samples) in [-1, 1], and
    ``rate`` says at how many samples a second, which nothing else does.
    """

    usual: ClassVar[tuple[str, ...]] = tuple(ALL_CONVENTIONS)
    """How its pictures may be normalised."""

    arch: str
    """The model's file."""
    size: Annotated[int, Field(ge=1)] | None = None
    """Pixels on a side; None for the network's own, or the largest usual size that it takes."""
    normalise: AnyNormalise = "unit"
    """How pictures are normalised: ``unit``, ``half``, ``byte`` (0 to 255), ``imagenet`` or ``caffe`` (BGR)."""
    channels: int = 3
    """Channels of the pictures: 3 for colour, 1 for grey, more for what has more."""
    hears: Annotated[Waveform | None, Choice("preprocessing")] = None
    """How recordings are read, which the network sees as spectrograms; None where it sees pictures."""
    rate: Annotated[int, Field(ge=1)] | None = None
    """Samples a second of the waveforms that the network takes itself; None for one of pictures."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """How long those are; None for as long as the recordings, or as the network says."""

    @abstractmethod
    def sizes(self, most: int) -> tuple[int, ...]:
        """The sizes up to ``most`` that it takes, or the one size that it is bound to; at least one, ascending."""

    @abstractmethod
    def seeing(self, pretrained: bool) -> Network:
        """The network of pictures, or of waveforms; see `Backbone.build`."""

    def listens(self) -> bool:
        """Whether it takes waveforms itself."""
        return False

    def lasts(self) -> float | None:
        """How many seconds of a waveform it is bound to; None if to none."""
        return self.seconds

    @property
    def waveform(self) -> Waveform:
        """What a network that takes waveforms is tried out on, if the recordings are not known yet."""
        return self.hears or Waveform(rate=self.rate or 16000, seconds=self.lasts() or 1.0)

    @property
    def pictures(self) -> Images:
        """What the network itself sees."""
        mean, std = ALL_CONVENTIONS[self.normalise]
        return Images(size=self.size or self.sizes(USUAL[-1])[-1], mean=mean, std=std, channels=self.channels)

    @property
    def preprocess(self) -> Preprocess:
        """See `Backbone.preprocess`."""
        return self.waveform if self.rate else self.hears or self.pictures

    def suited(self, examples: Examples) -> Self:
        """See `Backbone.suited`: the network's own size, or the largest that the pictures are worth.

        Raises:
            UserError: it takes waveforms, and nobody said at what rate; or pictures of another size than was stated.
        """
        if examples.kind == Waveform.kind:
            return self._listening(examples) if self.listens() else self._hearing(examples)
        sized = replace(self, size=self.size or USUAL[-1])  # its kind does not depend on the size
        super(Filed, sized).suited(examples)
        if self.size:
            bound = self.sizes(USUAL[-1])
            if len(bound) == 1 and bound[0] != self.size:
                raise UserError(f"{self.arch} takes pictures of {bound[0]} pixels, not {self.size}; leave size out")
            return self
        return replace(self, size=self.sizes(worth(native_size(examples.items)))[-1])

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        if self.rate:
            return f"{self.waveform.seconds:g} s at {self.rate} Hz"
        return f"{heard(self.hears)}{self.pictures.described}, normalised as {self.normalise}"

    def conventions(self) -> tuple[Self, ...]:
        """See `Backbone.conventions`: every normalisation in every size."""
        if self.rate:
            return (self,)
        sizes = self.sizes(self.pictures.size)[::-1]
        names = sorted(self.usual, key=lambda name: name != self.normalise)
        return tuple(replace(self, normalise=n, size=s) for s in sizes for n in names)

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`."""
        network = self.seeing(pretrained)
        return hearing(network, self.hears, self.pictures) if self.hears and not self.rate else network

    def _hearing(self, examples: Examples) -> Self:
        return replace(self, hears=fitting(examples.items), size=self.sizes(HEARD)[-1])

    def _listening(self, examples: Examples) -> Self:
        if self.rate is None:
            raise UserError(
                f"{self.arch} takes waveforms, and nothing says at how many samples a second; write that after the "
                "source: ?rate=16000"
            )
        seconds = self.lasts() or fitting(examples.items).seconds
        return replace(self, hears=Waveform(rate=self.rate, seconds=seconds))


@settings
class Kept(Filed):
    """One whose file, or what is needed of it, is copied to each model that is saved."""

    kept: ClassVar[str]
    """Name of the copy."""

    @abstractmethod
    def copy(self) -> bytes:
        """What is needed of the file."""

    def keep(self, folder: Path) -> Self:
        """See `Backbone.keep`."""
        (folder / self.kept).write_bytes(self.copy())
        return replace(self, arch=self.kept)

    def found(self, folder: Path) -> Self:
        """See `Backbone.found`."""
        return replace(self, arch=str(folder / self.kept))
