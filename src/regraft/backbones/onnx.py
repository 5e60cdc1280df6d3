"""Networks in ONNX files, as they are: they give features and learn nothing."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from regraft.backbones._base import Backbone, Network
from regraft.backbones._onnx_file import Session, classifier_input, load, shape_of
from regraft.backbones._scores import Logits
from regraft.backbones._sizes import USUAL, accepted, worth
from regraft.backbones._weights import ALL_CONVENTIONS
from regraft.core.config import settings
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.data.images import native_size
from regraft.preprocessing.images import Images

_KEPT = "backbone.onnx"
"""File, beside a saved model, with the ONNX model."""


@settings
class Onnx(Backbone):
    """A network in an ONNX file, run by onnxruntime on the processor: ``onnx:model.onnx``.

    It takes pictures (N, 3, S, S). Features are its first output, or, where that comes from a last product with
    weights, what goes into it. Nothing in it can be trained, so only methods that train a head are tried. Needs the
    extra ``onnx``.
    """

    arch: str
    """The model's file."""
    size: int | None = None
    """Pixels on a side; None for the model's own, or the largest usual size that it takes."""
    normalise: str = "imagenet"
    """How pictures are normalised: ``imagenet``, ``unit``, ``half``, ``byte`` (0 to 255) or ``caffe`` (BGR)."""

    @property
    def preprocess(self) -> Images:
        """See `Backbone.preprocess`."""
        mean, std = ALL_CONVENTIONS[self.normalise]
        return Images(size=self.size or self._sizes(USUAL[-1])[-1], mean=mean, std=std)

    def suited(self, examples: Examples) -> Self:
        """See `Backbone.suited`: the model's own size, or the largest that the pictures are worth."""
        sized = replace(self, size=self.size or USUAL[-1])  # its kind does not depend on the size
        super(Onnx, sized).suited(examples)
        return replace(self, size=self._sizes(worth(native_size(examples.items)))[-1])

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        return f"{self.preprocess.size} pixels, normalised as {self.normalise}"

    def conventions(self) -> tuple[Self, ...]:
        """See `Backbone.conventions`: a file says nothing of normalisation, and not always of size."""
        sizes = self._sizes(self.preprocess.size)[::-1]
        names = sorted(ALL_CONVENTIONS, key=lambda n: n != "imagenet")
        return tuple(replace(self, normalise=n, size=s) for s in sizes for n in names)

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`: the same network whether ``pretrained`` or not, as its weights are in its file.

        Raises:
            UserError: a library is missing, or the file is no model of pictures.
        """
        model = load(Path(self.arch))
        network = _Frozen(model, classifier_input(model), self.normalise == "caffe")
        found = network(self.preprocess.sample(1))
        if found.dim() != 2:
            raise UserError(f"{self.arch} gives outputs of shape {tuple(found.shape)}; Regraft needs one vector each")
        return Network([network], found.shape[1])

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`."""
        model = load(Path(self.arch))
        if classifier_input(model) is None:
            return None
        return Logits(_Frozen(model, None, self.normalise == "caffe"))

    def keep(self, folder: Path) -> Self:
        """See `Backbone.keep`."""
        (folder / _KEPT).write_bytes(load(Path(self.arch)).SerializeToString())
        return replace(self, arch=_KEPT)

    def found(self, folder: Path) -> Self:
        """See `Backbone.found`."""
        return replace(self, arch=str(folder / _KEPT))

    def _sizes(self, most: int) -> tuple[int, ...]:
        model = load(Path(self.arch))
        fixed = shape_of(model)[2]
        if fixed is not None:
            return (fixed,)
        network = _Frozen(model, None, False)

        def takes(size: int) -> bool:
            try:
                return network(torch.zeros(1, 3, size, size)).dim() == 2
            except UserError:
                return False

        return accepted(takes, most) or (most,)


class _Frozen(nn.Module):
    """An ONNX model from pictures (B, 3, S, S) to vectors (B, D), without parameters or gradients."""

    def __init__(self, model: Any, output: str | None, swap: bool) -> None:
        super().__init__()
        self.session = Session(model, output, torch.get_num_threads())
        self.swap = swap
        content = hashlib.blake2b(model.SerializeToString(), digest_size=16).hexdigest()
        self.described = f"{content}, output={output}, swap={swap}"

    def forward(self, x: Tensor) -> Tensor:
        x = x.flip(1) if self.swap else x
        found = self.session.run(x.detach().float().cpu().contiguous().numpy())
        return torch.from_numpy(found).to(x.device)

    def extra_repr(self) -> str:
        """What tells one model from another: it has no parameters that would."""
        return self.described
