"""Networks of the user's own."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from regraft.backbones import _code
from regraft.backbones._base import Network
from regraft.backbones._decompose import decompose
from regraft.backbones._filed import Filed
from regraft.backbones._sizes import USUAL, accepted
from regraft.backbones._tap import Tapped, channels, classifier, output, takes, without_classifier
from regraft.backbones._weights import CONVENTIONS, carry_all, read
from regraft.core.config import settings
from regraft.core.errors import UserError


@settings
class Torch(Filed):
    """A network of the user's own: ``torch:net.py:Net@weights.pth``, ``torch:package.module:make@weights.safetensors``.

    After the colon stands a class or a function that gives an untrained ``nn.Module`` when called without arguments.
    The file or module is imported, which runs the code in it: name only code that you would run yourself. The weights
    file is only read. The linear layer that a forward pass reaches last is taken for the classifier. A saved model
    names the code and its checksum, and has no copy of it: whoever loads the model needs the same file. A network that
    takes spectrograms hears if its first layer makes them: then it takes waveforms.
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

    def seeing(self, pretrained: bool) -> Network:
        """See `Filed.seeing`: padding is in the code."""
        network = self._trained() if pretrained else self.bare()
        found = decompose(self.without_classifier(network), self._inputs)
        if self._inputs.dim() == 3:
            return Network([nn.Unflatten(1, (1, -1)), *found.stages], found.feature_dim, found.inner_blocks)
        return found

    def listens(self) -> bool:
        """See `Filed.listens`: it is tried out."""
        return self.rate is not None or any(takes(self.bare(), x) for x in channels(self.waveform.sample(2)))

    def bare(self) -> nn.Module:
        """The user's network with its classifier, untrained.

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
        return network.float()

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """The network with pooled features for outputs."""
        return without_classifier(network, self._inputs)

    def conventions(self) -> tuple[Self, ...]:
        """See `Filed.conventions`: only a weights file leaves them open."""
        return (self,) if self.weights is None else super().conventions()

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`: None where the weights file has another classifier, or the network none."""
        if self.hears:
            return None
        network = self._trained()
        name = classifier(network, self._inputs)
        if name is None or self.weights is None:
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
        network, again = self.bare(), self.bare()
        drawn = [(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True) if a.dim() > 1]
        if drawn and all(torch.equal(a, b) for a, b in drawn):
            raise UserError(
                f"{self.arch} gives the same weights at every call; the model from scratch, which every result is "
                "compared with, needs random ones: load no weights and set no seed in it"
            )
        name = classifier(network, self._inputs)
        carry_all(network, self.weights, () if name is None else (f"{name}.",))
        return network

    @property
    def _inputs(self) -> Tensor:
        """Two random ones: what the network must take."""
        if not self.rate:
            return self.pictures.sample(2)
        plain, channelled = channels(self.waveform.sample(2))
        return channelled if not takes(self.bare(), plain) and takes(self.bare(), channelled) else plain

    def sizes(self, most: int) -> tuple[int, ...]:
        """See `Filed.sizes`: they are tried out.

        Raises:
            UserError: it takes none; says why not.
        """
        network = self.bare()

        found = accepted(lambda size: takes(network, replace(self, size=size)._inputs), most)
        if not found:
            output(network, replace(self, size=USUAL[-1])._inputs)
        return found
