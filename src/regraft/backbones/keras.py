"""Networks of Keras, from files."""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from regraft.backbones._base import Network
from regraft.backbones._filed import Kept
from regraft.backbones._keras_file import fresh, load
from regraft.backbones._keras_net import KerasNet, without_classifier
from regraft.backbones._scores import Logits
from regraft.backbones._sizes import accepted
from regraft.core.config import settings
from regraft.core.errors import UserError


@settings
class Keras(Kept):
    """A network of Keras, run on its torch backend: ``keras:model.keras``, or ``.h5`` and ``.hdf5``.

    Only models of Keras's own layers are loaded; no code that a file names is run. Features are what goes into the
    last dense layer, or into a convolution that gives class scores. Models that take grey pictures get the mean of the
    channels. Needs the extra ``keras``.
    """

    kept: ClassVar[str] = "backbone.json"
    """See `Kept.kept`: a description of the model's layers."""

    def seeing(self, pretrained: bool) -> Network:
        """See `Filed.seeing`.

        Raises:
            UserError: Keras is missing, or the file is no model that it can load safely.
        """
        model = without_classifier(self._model() if pretrained else fresh(self._description(), Path(self.arch)))
        network = KerasNet(model, swap=self.normalise == "caffe")
        size = self.pictures.size
        with torch.no_grad():
            width = network.eval()(torch.zeros(1, 3, size, size)).shape[1]
        return Network([network], width, [layer for layer in network.layers if any(True for _ in layer.parameters())])

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`."""
        if self.hears:
            return None
        model = self._model()
        if without_classifier(model) is model:
            return None
        return Logits(KerasNet(model, swap=self.normalise == "caffe"))

    def copy(self) -> bytes:
        """See `Kept.copy`."""
        return self._description().encode()

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

    def sizes(self, most: int) -> tuple[int, ...]:
        """See `Filed.sizes`."""
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
