"""Networks of the user's own."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Self

from torch import Tensor, nn

from regraft.backbones import _code
from regraft.backbones._base import Network
from regraft.backbones._carried import Carried
from regraft.backbones._channels import with_channels
from regraft.backbones._decompose import decompose, uncut
from regraft.backbones._filed import Filed
from regraft.backbones._own_text import reading
from regraft.backbones._sizes import USUAL, accepted
from regraft.backbones._tap import Tapped, channels, classifier, output, takes, without_classifier
from regraft.backbones._text import trial
from regraft.backbones._weights import CONVENTIONS, carry_all
from regraft.core.config import Choice, settings
from regraft.core.errors import UserError
from regraft.data.channels import channels_of
from regraft.data.examples import Examples
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing._listed import Listed
from regraft.preprocessing.images import Images


@settings
class Torch(Filed):
    """A network of the user's own: ``torch:net.py:Net@weights.pth``, ``torch:package.module:make@weights.safetensors``.

    After the colon stands a class or a function that gives an untrained ``nn.Module`` when called without arguments.
    The file or module is imported, which runs the code in it: name only code that you would run yourself. The weights
    file is only read. A network that takes spectrograms hears if its first layer makes them: then it takes waveforms.
    One of text takes token numbers (B, L), -1 where a text has ended, of the vocabulary beside its weights
    (``vocab.json``). The linear layer that a forward pass reaches last is taken for the classifier. A saved model names
    the code and its checksum, and has no copy of it: whoever loads the model needs the same file.
    """

    usual: ClassVar[tuple[str, ...]] = tuple(CONVENTIONS)
    """See `Filed.usual`."""

    arch: str
    """The code: ``FILE.py:NAME`` or ``MODULE:NAME``."""
    weights: Path | None = None
    """The weights file."""
    normalise: str = "imagenet"
    """How pictures are normalised: ``imagenet``, ``half`` ((x - 0.5) / 0.5) or ``unit`` (0 to 1)."""
    code: str = ""
    """SHA-256 of the file that the network is written in, in a saved model; empty: not checked."""
    reads: Annotated[Listed | None, Choice("preprocessing")] = None
    """How text is read, by the vocabulary beside the weights; None where it sees or hears."""

    @property
    def preprocess(self) -> Preprocess:
        """See `Backbone.preprocess`."""
        return self.reads or super().preprocess

    def suited(self, examples: Examples) -> Self:
        """See `Filed.suited`; grey if it takes no colour. Texts are read by the vocabulary beside the weights."""
        if examples.kind == Listed.kind:
            return replace(self, reads=reading(self.weights, examples))
        if examples.kind != Images.kind:
            return super().suited(examples)
        seen, grey = (replace(self, channels=n) for n in (channels_of(examples.items), 1))
        able = seen.channels != 3 or seen.taken(USUAL[-1]) or not grey.taken(USUAL[-1])
        return super(Torch, seen if able else grey).suited(examples)

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        if self.reads:
            return f"text of up to {self.reads.length} of {len(self.reads.vocabulary)} tokens"
        return super().described

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`."""
        if self.reads is None:
            return super().build(pretrained)
        network, carried = self._given(pretrained)
        found = uncut(network, output(network, self._inputs).shape[1])
        found.carried = carried
        return found

    def seeing(self, pretrained: bool) -> Network:
        """See `Filed.seeing`: padding is in the code."""
        network, carried = self._given(pretrained)
        found = decompose(network, self._inputs)
        if self._inputs.dim() == 3:
            found = Network([nn.Unflatten(1, (1, -1)), *found.stages], found.feature_dim, found.inner_blocks)
        found.carried = carried
        return found

    def listens(self) -> bool:
        """See `Filed.listens`: it is tried out."""
        return self.rate is not None or any(takes(self.bare(), x) for x in channels(self.waveform.sample(2)))

    def bare(self) -> nn.Module:
        """The user's network with its classifier, untrained.

        Raises:
            UserError: there is no such code, it was changed since it was saved, or it gives no network.
        """
        network = _code.network(self.arch, self.code)
        return with_channels(network, self.channels) if self.channels > 3 else network

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """The network with pooled features for outputs."""
        return without_classifier(network, self._inputs)

    def conventions(self) -> tuple[Self, ...]:
        """See `Filed.conventions`: only a weights file leaves them open."""
        return (self,) if self.weights is None or self.reads else super().conventions()

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`: None where the weights file has another classifier, or the network none."""
        if self.hears or self.reads or self.weights is None:
            return None
        network, carried = self._trained()
        name = classifier(network, self._inputs)
        return None if name is None or not carried.recognises else Tapped(network, name, after=True)

    def keep(self, folder: Path) -> Self:
        """See `Backbone.keep`: the code stays where it is."""
        return replace(self, arch=_code.absolute(self.arch), code=_code.digest_of(self.arch))

    def found(self, folder: Path) -> Self:
        """See `Backbone.found`.

        Raises:
            UserError: the code came with the model: loading a model must not run code that came with it.
        """
        file = _code.file_of(self.arch)
        if not self.code or file.is_relative_to(folder.resolve()):
            raise UserError(
                f"the model in {folder} wants to run code in {file}, which nobody named; give it as torch:FILE.py:NAME"
            )
        return self

    def _given(self, pretrained: bool) -> tuple[nn.Module, Carried | None]:
        """The network with features for outputs, and what its weights file gave to it."""
        network, carried = self._trained() if pretrained else (self.bare(), None)
        return self.without_classifier(network), carried

    def _trained(self) -> tuple[nn.Module, Carried]:
        if self.weights is None:
            raise UserError(f"source 'torch:{self.arch}' has no weights; name a file: torch:{self.arch}@WEIGHTS")
        network = self.bare()
        _code.refuse_fixed(self.arch, network, self.bare())
        name = classifier(network, self._inputs)
        return network, carry_all(network, self.weights, () if name is None else (f"{name}.",))

    @property
    def _inputs(self) -> Tensor:
        """Two random ones: what the network must take."""
        if self.reads:
            return trial(len(self.reads.vocabulary))
        if not self.rate:
            return self.pictures.sample(2)
        plain, channelled = channels(self.waveform.sample(2))
        return channelled if not takes(self.bare(), plain) and takes(self.bare(), channelled) else plain

    def sizes(self, most: int) -> tuple[int, ...]:
        """See `Filed.sizes`: they are tried out.

        Raises:
            UserError: it takes none; says why not.
        """
        found = self.taken(most)
        if not found:
            output(self.bare(), replace(self, size=USUAL[-1])._inputs)
        return found

    def taken(self, most: int) -> tuple[int, ...]:
        """The sizes up to ``most`` that it takes; perhaps none."""
        network = self.bare()
        return accepted(lambda size: takes(network, replace(self, size=size)._inputs), most)
