"""Networks that are written in the user's own code: how they are made, get their weights, and are kept."""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from regraft.backbones import _code
from regraft.backbones._carried import Carried
from regraft.backbones._channels import with_channels
from regraft.backbones._filed import Filed
from regraft.backbones._tap import classifier
from regraft.backbones._weights import carry_all
from regraft.core.config import settings
from regraft.core.errors import UserError


@settings
class Own(Filed):
    """A class or function that gives an untrained network, and a file of weights for it."""

    arch: str
    """The code: ``FILE.py:NAME`` or ``MODULE:NAME``."""
    weights: Path | None = None
    """The weights file."""
    code: str = ""
    """SHA-256 of the file that the network is written in, in a saved model; empty: not checked."""

    @property
    def untrained(self) -> Self:
        """See `Backbone.untrained`: the normalisation is that of the weights."""
        return replace(self, weights=None, normalise="unit")

    @property
    @abstractmethod
    def inputs(self) -> Tensor:
        """Two random ones: what the network must take."""

    def bare(self) -> nn.Module:
        """The user's network with its classifier, untrained.

        Raises:
            UserError: there is no such code, it was changed since it was saved, or it gives no network.
        """
        network = _code.network(self.arch, self.code)
        return with_channels(network, self.channels) if self.channels > 3 else network

    def trained(self) -> tuple[nn.Module, Carried]:
        """The user's network with its classifier and its weights, and what these gave to it.

        Raises:
            UserError: no weights were named, they belong to another network, or the code gives the same at every call.
        """
        if self.weights is None:
            raise UserError(f"source 'torch:{self.arch}' has no weights; name a file: torch:{self.arch}@WEIGHTS")
        network = self.bare()
        _code.refuse_fixed(self.arch, network, self.bare())
        name = classifier(network, self.inputs)
        return network, carry_all(network, self.weights, () if name is None else (f"{name}.",))

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
