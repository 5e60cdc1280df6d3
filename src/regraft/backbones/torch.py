"""Networks of the user's own."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

import torch
from torch import nn

from regraft.backbones import _code
from regraft.backbones._base import Backbone, Network
from regraft.backbones._decompose import uncut
from regraft.backbones._foreign import Foreign
from regraft.backbones._own_text import reading
from regraft.backbones._sizes import USUAL, accepted, pictures, worth
from regraft.backbones._tap import Tapped, classifier, output, without_classifier
from regraft.backbones._text import trial
from regraft.backbones._weights import CONVENTIONS, carry_all, read
from regraft.core.config import Choice, settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.data.images import native_size
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing._listed import Listed


@settings
class Torch(Foreign):
    """A network of the user's own: ``torch:net.py:Net@weights.pth``, ``torch:package.module:make@weights.safetensors``.

    After the colon stands a class or a function that gives an untrained ``nn.Module`` when called without arguments.
    The file or module is imported, which runs the code in it: name only code that you would run yourself. The weights
    file is only read. A network of text takes token numbers (B, L), -1 where a text has ended, of the vocabulary beside
    its weights (``vocab.json``). The linear layer that a forward pass reaches last is taken for the classifier. A saved
    model names the code and its checksum, and has no copy of it: whoever loads the model needs the same file.
    """

    code: str = ""
    """SHA-256 of the file that the network is written in, in a saved model; empty: not checked."""
    reads: Annotated[Listed | None, Choice("preprocessing")] = None
    """How text is read, by the vocabulary beside the weights; None where it sees pictures."""

    @property
    def preprocess(self) -> Preprocess:
        """See `Backbone.preprocess`."""
        return self.reads or super().preprocess

    @property
    def native(self) -> int:
        """See `Foreign.native`: the largest of the usual sizes that it takes."""
        return self._sizes(USUAL[-1])[-1]

    def bare(self, pretrained: bool) -> nn.Module:
        """See `Foreign.bare`.

        Raises:
            UserError: there is no such code, it was changed since it was saved, or it gives no network.
        """
        return _code.network(self.arch, self.code)

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """See `Foreign.without_classifier`."""
        return without_classifier(network, self._trial())

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`."""
        if self.reads is None:
            return super().build(pretrained)
        network = self.without_classifier(self._trained() if pretrained else self.bare(False))
        return uncut(network, output(network, self._trial()).shape[1])

    @property
    def fixed(self) -> bool:
        """See `Foreign.fixed`: the sizes that it takes are tried out."""
        return False

    def suited(self, examples: Examples) -> Self:
        """See `Backbone.suited`: the largest size that it takes and the pictures are worth; `conventions` has more."""
        if examples.kind == Listed.kind:
            return replace(self, reads=reading(self.weights, examples))
        Backbone.suited(self, examples)
        return replace(self, size=self._sizes(worth(native_size(examples.items)))[-1])

    def conventions(self) -> tuple[Self, ...]:
        """See `Backbone.conventions`: padding is in the code; normalisation and size are not."""
        if self.weights is None or self.reads:
            return (self,)
        sizes = self._sizes(self.pictures.size)[::-1]
        return tuple(replace(self, normalise=n, size=s) for s in sizes for n in CONVENTIONS)

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        if self.reads:
            return f"text of up to {self.reads.length} of {len(self.reads.vocabulary)} tokens"
        return f"{self.pictures.size} pixels, normalised as {self.normalise}"

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`: None where the weights file has another classifier, or the network none."""
        network = self._trained()
        name = classifier(network, self._trial())
        if name is None or self.weights is None or self.reads:
            return None
        own, found = network.state_dict()[f"{name}.weight"], read(self.weights).get(f"{name}.weight")
        return None if found is None or found.shape != own.shape else Tapped(network, name, after=True)

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

    def _trained(self) -> nn.Module:
        if self.weights is None:
            raise UserError(f"source 'torch:{self.arch}' has no weights; name a file: torch:{self.arch}@WEIGHTS")
        network = self.bare(False)
        _code.refuse_fixed(self.arch, network, self.bare(False))
        name = classifier(network, self._trial())
        carry_all(network, self.weights, () if name is None else (f"{name}.",))
        return network

    def _trial(self) -> torch.Tensor:
        return trial(len(self.reads.vocabulary)) if self.reads else pictures(self.pictures.size)

    def _sizes(self, most: int) -> tuple[int, ...]:
        network = self.bare(False)

        def takes(size: int) -> bool:
            try:
                output(network, pictures(size))
            except UserError:
                return False
            return True

        found = accepted(takes, most)
        if not found:
            output(network, pictures(USUAL[-1]))  # says why not
        return found
