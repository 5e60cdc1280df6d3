"""Networks in ONNX files, as they are: they give features and learn nothing."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from regraft.backbones._base import Network
from regraft.backbones._filed import Kept
from regraft.backbones._onnx_file import Session, classifier_input, load, shape_of
from regraft.backbones._scores import Logits
from regraft.backbones._sizes import accepted
from regraft.backbones._weights import AnyNormalise
from regraft.core.config import settings
from regraft.core.errors import UserError


@settings
class Onnx(Kept):
    """A network in an ONNX file, run by onnxruntime on the processor: ``onnx:model.onnx``.

    It takes pictures (N, 3, S, S), or waveforms (N, T) or (N, 1, T): ``onnx:model.onnx?rate=16000``. Features are its
    first output, or, where that comes from a last product with weights, what goes into it. Nothing in it can be
    trained, so only methods that train a head are tried. Needs the extra ``onnx``.
    """

    kept: ClassVar[str] = "backbone.onnx"
    """See `Kept.kept`: the model, with its weights."""

    normalise: AnyNormalise = "imagenet"
    """How pictures are normalised: ``imagenet``, ``unit``, ``half``, ``byte`` (0 to 255) or ``caffe`` (BGR)."""

    def seeing(self, pretrained: bool) -> Network:
        """See `Filed.seeing`: the same network whether ``pretrained`` or not, as its weights are in its file.

        Raises:
            UserError: a library is missing, or the file is no model of pictures or waveforms.
        """
        model = load(Path(self.arch))
        network = _Frozen(model, classifier_input(model), self.normalise == "caffe")
        found = network((self.waveform if self.rate else self.pictures).sample(1))
        if found.dim() != 2:
            raise UserError(f"{self.arch} gives outputs of shape {tuple(found.shape)}; Regraft needs one vector each")
        return Network([network], found.shape[1])

    def listens(self) -> bool:
        """See `Filed.listens`."""
        return len(shape_of(load(Path(self.arch)))) < 4

    def lasts(self) -> float | None:
        """See `Filed.lasts`."""
        samples = shape_of(load(Path(self.arch)))[-1] if self.listens() else None
        return samples / self.rate if samples and self.rate else self.seconds

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`."""
        model = load(Path(self.arch))
        if self.hears or classifier_input(model) is None:
            return None
        return Logits(_Frozen(model, None, self.normalise == "caffe"))

    def copy(self) -> bytes:
        """See `Kept.copy`."""
        return bytes(load(Path(self.arch)).SerializeToString())

    def sizes(self, most: int) -> tuple[int, ...]:
        """See `Filed.sizes`."""
        model = load(Path(self.arch))
        if self.listens():
            raise UserError(f"{self.arch} takes waveforms, not pictures; give another source")
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
    """An ONNX model from inputs (B, ...) to vectors (B, D), without parameters or gradients."""

    def __init__(self, model: Any, output: str | None, swap: bool) -> None:
        super().__init__()
        self.session = Session(model, output, torch.get_num_threads())
        self.swap, self.rank = swap, len(shape_of(model))
        content = hashlib.blake2b(model.SerializeToString(), digest_size=16).hexdigest()
        self.described = f"{content}, output={output}, swap={swap}"

    def forward(self, x: Tensor) -> Tensor:
        x = x.flip(1) if self.swap else x
        x = x.unsqueeze(1) if x.dim() < self.rank else x
        found = self.session.run(x.detach().float().cpu().contiguous().numpy())
        return torch.from_numpy(found).to(x.device)

    def extra_repr(self) -> str:
        """What tells one model from another: it has no parameters that would."""
        return self.described
