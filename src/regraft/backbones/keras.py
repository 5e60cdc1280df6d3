"""Networks of Keras, from files."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from regraft.backbones._base import Backbone, Network
from regraft.backbones._keras_file import fresh, load
from regraft.backbones._keras_net import KerasNet, without_classifier
from regraft.backbones._scores import Logits
from regraft.backbones._sizes import USUAL, accepted, worth
from regraft.backbones._weights import ALL_CONVENTIONS
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.data.images import native_size
from regraft.preprocessing.images import Images

_KEPT = "backbone.json"
"""File, beside a saved model, with the description of the Keras model's layers."""


@settings
class Keras(Backbone):
    """A network of Keras, run on its torch backend: ``keras:model.keras``, or ``.h5`` and ``.hdf5``.

    Only models of Keras's own layers are loaded; no code that a file names is run. Features are what goes into the
    last dense layer, or into a convolution that gives class scores. Models that take grey pictures get the mean of the
    channels. Needs the extra ``keras``.
    """

    arch: str
    """The model's file."""
    size: int | None = None
    """Pixels on a side; None for the model's own, or 224 if it takes any."""
    normalise: str = "unit"
    """How pictures are normalised: ``unit``, ``half``, ``byte`` (0 to 255), ``imagenet`` or ``caffe`` (BGR)."""

    @property
    def preprocess(self) -> Images:
        """See `Backbone.preprocess`."""
        mean, std = ALL_CONVENTIONS[self.normalise]
        return Images(size=self.size or self._sizes(USUAL[-1])[-1], mean=mean, std=std)

    def suited(self, examples: Examples) -> Self:
        """See `Backbone.suited`: the model's own size, or the largest that the pictures are worth."""
        sized = replace(self, size=self.size or USUAL[-1])  # its kind does not depend on the size
        super(Keras, sized).suited(examples)
        return replace(self, size=self._sizes(worth(native_size(examples.items)))[-1])

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        return f"{self.preprocess.size} pixels, normalised as {self.normalise}"

    def conventions(self) -> tuple[Self, ...]:
        """See `Backbone.conventions`: a file says nothing of normalisation, and not always of size."""
        sizes = self._sizes(self.preprocess.size)[::-1]
        return tuple(replace(self, normalise=n, size=s) for s in sizes for n in ALL_CONVENTIONS)

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`.

        Raises:
            UserError: Keras is missing, or the file is no model that it can load safely.
        """
        model = without_classifier(self._model() if pretrained else fresh(self._description(), Path(self.arch)))
        network = KerasNet(model, swap=self.normalise == "caffe")
        size = self.preprocess.size
        with torch.no_grad():
            width = network.eval()(torch.zeros(1, 3, size, size)).shape[1]
        return Network([network], width, [layer for layer in network.layers if any(True for _ in layer.parameters())])

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`."""
        model = self._model()
        if without_classifier(model) is model:
            return None
        return Logits(KerasNet(model, swap=self.normalise == "caffe"))

    def keep(self, folder: Path) -> Self:
        """See `Backbone.keep`."""
        (folder / _KEPT).write_text(self._description(), encoding="utf-8")
        return replace(self, arch=_KEPT)

    def found(self, folder: Path) -> Self:
        """See `Backbone.found`."""
        return replace(self, arch=str(folder / _KEPT))

    def _model(self) -> Any:
        if Path(self.arch).suffix == ".json":
            raise UserError(f"{self.arch} describes layers and has no weights; give the Keras model itself")
        return load(Path(self.arch))

    def _description(self) -> str:
        if Path(self.arch).suffix != ".json":
            return str(self._model().to_json())
        try:
            return Path(self.arch).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{self.arch} is missing: the saved model is not whole; restore it or run again") from error

    def _sizes(self, most: int) -> tuple[int, ...]:
        if Path(self.arch).suffix == ".json":
            return (self.size or most,)
        model = self._model()
        shape = tuple(model.inputs[0].shape)
        last = shape[3] in (1, 3)
        height, width = shape[1:3] if last else shape[2:4]
        if height != width:
            raise UserError(f"{self.arch} takes pictures of {height} x {width} pixels; Regraft needs square ones")
        if height is not None:
            return (int(height),)

        def takes(size: int) -> bool:
            try:
                model.compute_output_shape((1, size, size, shape[3]) if last else (1, shape[1], size, size))
            except ValueError:
                return False
            return True

        return accepted(takes, most) or (most,)
