"""What networks of other libraries have in common: an architecture, perhaps a weights file, and open questions."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.error import URLError

from pydantic import Field
from torch import Tensor, nn

from regraft.backbones._base import Backbone, Network
from regraft.backbones._carried import Carried
from regraft.backbones._decompose import decompose
from regraft.backbones._reach import opened
from regraft.backbones._spectrogram import HEARD, early, heard, hearing
from regraft.backbones._weights import CONVENTIONS, HUB_CONVENTIONS, HubNormalise, carry, pad_same
from regraft.core.config import Choice, settings
from regraft.core.errors import UserError
from regraft.data.channels import channels_of
from regraft.data.examples import Examples
from regraft.data.images import native_size
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing.images import Images
from regraft.preprocessing.waveform import Waveform, fitting


@settings
class Foreign(Backbone):
    """A network of pictures of another library, by the name of its architecture. It also hears: by spectrograms.

    A weights file does not say how its pictures were normalised or how its strided convolutions padded; `conventions`
    lists what it may be; how surely the network recognises the user's pictures decides (see `understanding`).
    """

    arch: str
    """The library's name of the architecture."""
    weights: Path | None = None
    """A local weights file; None for the library's own hub."""
    size: Annotated[int, Field(ge=1)] | None = None
    """Pixels on a side; None for the architecture's own."""
    normalise: HubNormalise = "imagenet"
    """How pictures are normalised: ``imagenet``, ``half`` ((x - 0.5) / 0.5), ``unit`` (0 to 1), ``clip`` or ``dpn``."""
    padding: Literal["symmetric", "same"] = "symmetric"
    """How strided convolutions pad: ``symmetric``, or ``same`` as TensorFlow does."""
    channels: int = 3
    """Channels of its pictures: 3 for colour; for others its first convolution is adapted."""
    hears: Annotated[Waveform | None, Choice("preprocessing")] = None
    """How recordings are read, which the network sees as spectrograms; None where it sees pictures."""
    early: bool | None = None
    """Whether recordings are heard by its first stages alone, which keep pitch apart; None: yes, for a new target."""

    @property
    def native(self) -> int:
        """Pixels on a side that the architecture was made for."""
        raise NotImplementedError

    @property
    def usual(self) -> str:
        """How pictures were normalised for the library's own weights; one of `HUB_CONVENTIONS`."""
        return "imagenet"

    @property
    def fixed(self) -> bool:
        """Whether it takes no other size, as transformers with a position for each patch."""
        raise NotImplementedError

    def bare(self, pretrained: bool) -> nn.Module:
        """The library's network with its classifier, from the hub if ``pretrained``."""
        raise NotImplementedError

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """The network with pooled features for outputs."""
        raise NotImplementedError

    def classifiers(self, network: nn.Module) -> tuple[str, ...]:
        """The names of the layers of `bare` that give scores of classes: the main one first."""
        raise NotImplementedError

    def adapted(self, network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """A weights file's tensors with the names and sizes that ``network`` has for them."""
        return tensors

    @property
    def preprocess(self) -> Preprocess:
        """See `Backbone.preprocess`."""
        return self.hears or self.pictures

    @property
    def pictures(self) -> Images:
        """What the network itself sees."""
        mean, std = HUB_CONVENTIONS[self.normalise]
        return Images(size=self.size or self.native, mean=mean, std=std, channels=self.channels)

    def suited(self, examples: Examples) -> Self:
        """See `Backbone.suited`: no larger than the pictures are worth, by steps of 32."""
        if examples.kind == Waveform.kind:
            return replace(self, hears=fitting(examples.items), size=self._sized(HEARD), early=self.early is not False)
        super().suited(examples)
        side = native_size(examples.items)
        least = 96 if "inception" in self.arch else 64  # 75 at least: below, maps are smaller than their windows
        size = self._sized(max(least, 32 * -(-side * 5 // (4 * 32))))
        return replace(self, size=size, channels=channels_of(examples.items))

    @property
    def described(self) -> str:
        """See `Backbone.described`."""
        stages = ", by its first stages" if self.hears and self.early else ""
        seen = f"{self.pictures.described}, normalised as {self.normalise}, {self.padding} padding"
        return f"{heard(self.hears)}{seen}{stages}"

    @property
    def untrained(self) -> Self:
        """See `Backbone.untrained`: conventions are those of the weights."""
        return replace(self, weights=None, normalise="imagenet", padding="symmetric")

    def conventions(self) -> tuple[Self, ...]:
        """See `Backbone.conventions`: only a local weights file leaves them open; the library's own come first."""
        if self.weights is None:
            return (replace(self, normalise=self.usual),)
        return tuple(replace(self, normalise=n, padding=p) for p in ("symmetric", "same") for n in CONVENTIONS)

    def build(self, pretrained: bool = True) -> Network:
        """See `Backbone.build`.

        Raises:
            UserError: as there; or its pictures are too small for it.
        """
        network, carried = self._trained() if pretrained else (self.bare(False), None)
        try:
            found = decompose(self.without_classifier(self._padded(network)), self.pictures.sample(2))
        except RuntimeError as error:
            size = self.pictures.size
            if size >= self.native:  # then it is not the pictures
                raise
            raise UserError(
                f"{self.arch} takes no pictures of {size} x {size} pixels; give it a larger size"
            ) from error
        found.carried = carried
        if not self.hears:
            return found
        return hearing(early(found, self.pictures) if self.early else found, self.hears, self.pictures)

    def recogniser(self) -> nn.Module | None:
        """See `Backbone.recogniser`: a weights file may lack the classifier, and of a sound it recognises nothing."""
        if self.hears:
            return None
        network, carried = self._trained()
        if carried is not None and not carried.recognises:
            return None
        return self._padded(network)

    def classifier(self) -> nn.Linear | None:
        """See `Backbone.classifier`."""
        if not self.categories:
            return None
        network, carried = self._trained()
        layer = network.get_submodule(self.classifiers(network)[0])
        known = (carried is None or carried.recognises) and isinstance(layer, nn.Linear)
        return layer if known and layer.out_features == len(self.categories) else None  # type: ignore[return-value]

    @property
    def origin(self) -> Mapping[str, str]:
        """See `Backbone.origin`: what the library says of its own weights says nothing of a file's."""
        if self.weights is None:
            return self.published
        own = ", ".join(f"{what} {said}" for what, said in self.published.items() if what != "origin")
        return {"origin": str(self.weights), "citation": f"not stated (the library's own weights: {own or 'nothing'})"}

    @property
    def published(self) -> Mapping[str, str]:
        """What the library says of its own weights, as in `Backbone.origin`."""
        return {}

    def _sized(self, worth: int) -> int:
        return self.native if self.fixed else min(self.native, worth)

    def _padded(self, network: nn.Module) -> nn.Module:
        if self.padding == "same":
            pad_same(network)
        return network

    def _trained(self) -> tuple[nn.Module, Carried | None]:
        if self.weights is None:
            return _from_hub(lambda: self.bare(True), f"{type(self).__name__.lower()}:{self.arch}"), None
        network = self.bare(False)
        heads = tuple(f"{name}." for name in self.classifiers(network))
        return network, carry(network, self.weights, heads, self.adapted)


def _from_hub(load: Callable[[], nn.Module], uri: str) -> nn.Module:
    try:
        return opened(load)
    except (URLError, OSError) as error:
        raise UserError(
            f"the weights of {uri!r} are not on this machine and their hub cannot be reached; "
            f"bring the weights file and name it after an @: {uri}@weights.safetensors"
        ) from error
    except RuntimeError as error:
        raise UserError(f"its library has no trained weights for {uri!r}; name a file: {uri}@FILE") from error
