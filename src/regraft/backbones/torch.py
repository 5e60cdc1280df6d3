"""Networks of the user's own."""

from dataclasses import replace
from typing import Annotated, ClassVar, Self

from torch import Tensor, nn

from regraft.backbones._base import Network
from regraft.backbones._decompose import decompose, uncut
from regraft.backbones._own import Own
from regraft.backbones._own_text import reading
from regraft.backbones._sizes import USUAL, accepted
from regraft.backbones._tap import Tapped, channels, classifier, output, takes, without_classifier
from regraft.backbones._text import trial
from regraft.backbones._weights import CONVENTIONS, Normalise
from regraft.core.config import Choice, settings
from regraft.data.channels import channels_of
from regraft.data.examples import Examples
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing._listed import Listed
from regraft.preprocessing.images import Images


@settings
class Torch(Own):
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

    normalise: Normalise = "imagenet"
    """How pictures are normalised: ``imagenet``, ``half`` ((x - 0.5) / 0.5) or ``unit`` (0 to 1)."""
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

    def seeing(self, pretrained: bool) -> Network:
        """See `Filed.seeing`: padding is in the code."""
        network, carried = self.trained() if pretrained else (self.bare(), None)
        network = self.without_classifier(network)
        width = output(network, self.inputs).shape[1]
        found = uncut(network, width) if self.reads else decompose(network, self.inputs)
        if self.inputs.dim() == 3:
            found = Network([nn.Unflatten(1, (1, -1)), *found.stages], found.feature_dim, found.inner_blocks)
        found.carried = carried
        return found

    def listens(self) -> bool:
        """See `Filed.listens`: it is tried out."""
        return self.rate is not None or any(takes(self.bare(), x) for x in channels(self.waveform.sample(2)))

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """The network with pooled features for outputs."""
        return without_classifier(network, self.inputs)

    def conventions(self) -> tuple[Self, ...]:
        """See `Filed.conventions`: only a weights file leaves them open."""
        return (self,) if self.weights is None or self.reads else super().conventions()

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`: None where the weights file has another classifier, or the network none."""
        if self.hears or self.reads or self.weights is None:
            return None
        network, carried = self.trained()
        name = classifier(network, self.inputs)
        return None if name is None or not carried.recognises else Tapped(network, name, after=True)

    @property
    def inputs(self) -> Tensor:
        """See `Own.inputs`."""
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
            output(self.bare(), replace(self, size=USUAL[-1]).inputs)
        return found

    def taken(self, most: int) -> tuple[int, ...]:
        """The sizes up to ``most`` that it takes; perhaps none."""
        network = self.bare()
        return accepted(lambda size: takes(network, replace(self, size=size).inputs), most)
