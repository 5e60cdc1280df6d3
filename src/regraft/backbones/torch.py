"""Networks of the user's own."""

from dataclasses import replace
from pathlib import Path
from typing import Self

import torch
from torch import nn

from regraft.backbones import _code
from regraft.backbones._base import Backbone
from regraft.backbones._carried import Carried
from regraft.backbones._channels import with_channels
from regraft.backbones._foreign import Foreign
from regraft.backbones._sizes import USUAL, accepted, worth
from regraft.backbones._tap import Tapped, classifier, output, without_classifier
from regraft.backbones._weights import CONVENTIONS, carry_all
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.channels import channels_of
from regraft.data.examples import Examples
from regraft.data.images import native_size
from regraft.preprocessing.images import Images


@settings
class Torch(Foreign):
    """A network of the user's own: ``torch:net.py:Net@weights.pth``, ``torch:package.module:make@weights.safetensors``.

    After the colon stands a class or a function that gives an untrained ``nn.Module`` when called without arguments.
    The file or module is imported, which runs the code in it: name only code that you would run yourself. The weights
    file is only read. The linear layer that a forward pass reaches last is taken for the classifier. A saved model
    names the code and its checksum, and has no copy of it: whoever loads the model needs the same file.
    """

    code: str = ""
    """SHA-256 of the file that the network is written in, in a saved model; empty: not checked."""

    @property
    def native(self) -> int:
        """See `Foreign.native`: the largest of the usual sizes that it takes."""
        return self._sizes(USUAL[-1])[-1]

    def bare(self, pretrained: bool) -> nn.Module:
        """See `Foreign.bare`.

        Raises:
            UserError: there is no such code, it was changed since it was saved, or it gives no network.
        """
        if self.code and _code.digest_of(self.arch) != self.code:
            raise UserError(f"{_code.file_of(self.arch)} was changed after the model was saved; restore it")
        make = _code.factory(self.arch)
        try:
            network = make()
        except Exception as error:  # the user's code may raise anything
            raise UserError(f"{self.arch} called without arguments fails ({type(error).__name__}: {error})") from error
        if not isinstance(network, nn.Module):
            raise UserError(f"{self.arch} gives a {type(network).__name__}; it must give a torch.nn.Module")
        return with_channels(network.float(), self.channels) if self.channels > 3 else network.float()

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """See `Foreign.without_classifier`."""
        return without_classifier(network, self.pictures.sample(2))

    @property
    def fixed(self) -> bool:
        """See `Foreign.fixed`: the sizes that it takes are tried out."""
        return False

    def suited(self, examples: Examples) -> Self:
        """See `Backbone.suited`: the largest size that it takes and pictures are worth; grey if it takes no colour."""
        Backbone.suited(self, examples)
        most, seen = worth(native_size(examples.items)), replace(self, channels=channels_of(examples.items))
        try:
            return replace(seen, size=seen._sizes(most)[-1])
        except UserError as error:
            grey = replace(self, channels=1)
            if seen.channels != 3 or not grey._takes(most):
                raise error
            return replace(grey, size=grey._sizes(most)[-1])

    def conventions(self) -> tuple[Self, ...]:
        """See `Backbone.conventions`: padding is in the code; normalisation and size are not."""
        if self.weights is None:
            return (self,)
        sizes = self._sizes(self.pictures.size)[::-1]
        return tuple(replace(self, normalise=n, size=s) for s in sizes for n in CONVENTIONS)

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        return f"{self.pictures.described}, normalised as {self.normalise}"

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`: None where the weights file has another classifier, or the network none."""
        network, carried = self._trained()
        name = classifier(network, self.pictures.sample(2))
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

    def _trained(self) -> tuple[nn.Module, Carried]:
        if self.weights is None:
            raise UserError(f"source 'torch:{self.arch}' has no weights; name a file: torch:{self.arch}@WEIGHTS")
        network, again = self.bare(False), self.bare(False)
        drawn = [(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True) if a.dim() > 1]
        if drawn and all(torch.equal(a, b) for a, b in drawn):
            raise UserError(
                f"{self.arch} gives the same weights at every call; the model from scratch, which every result is "
                "compared with, needs random ones: load no weights and set no seed in it"
            )
        name = classifier(network, self.pictures.sample(2))
        return network, carry_all(network, self.weights, () if name is None else (f"{name}.",))

    def _sizes(self, most: int) -> tuple[int, ...]:
        found = self._takes(most)
        if not found:
            output(self.bare(False), self._sample(USUAL[-1]))  # says why not
        return found

    def _takes(self, most: int) -> tuple[int, ...]:
        network = self.bare(False)

        def takes(size: int) -> bool:
            try:
                output(network, self._sample(size))
            except UserError:
                return False
            return True

        return accepted(takes, most)

    def _sample(self, size: int) -> torch.Tensor:
        """Two random pictures: what the network must take."""
        return Images(size=size, channels=self.channels).sample(2)
