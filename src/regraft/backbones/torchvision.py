"""Networks of torchvision."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torchvision
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from regraft.backbones._channels import channels_adapted, with_channels
from regraft.backbones._foreign import Foreign
from regraft.core.config import settings
from regraft.core.errors import unknown

_SIDES = ("inception_v3", "googlenet")
"""Networks with classifiers also on their sides, which helped to train them."""


@settings
class Torchvision(Foreign):
    """A classification network of torchvision: ``torchvision:resnet18``, ``torchvision:mobilenet_v2@weights.pth``."""

    @property
    def native(self) -> int:
        """See `Foreign.native`."""
        return 299 if self.arch == "inception_v3" else 224

    @property
    def usual(self) -> str:
        """See `Foreign.usual`: two of the library's networks turn what they are given into inputs from -1 to 1."""
        return "half" if self.arch in _SIDES else "imagenet"

    @property
    def published(self) -> Mapping[str, str]:
        """See `Foreign.published`: the recipe, and the paper that the library names."""
        weights = torchvision.models.get_model_weights(self.arch).DEFAULT
        named = re.search(r"`([^`<]+?)\s*<(http[^>]+)>`", torchvision.models.get_model_builder(self.arch).__doc__ or "")
        said = {"origin": str(weights), "citation": " ".join(" ".join(named.groups()).split()) if named else ""}
        return {what: one for what, one in {**said, "recipe": weights.meta.get("recipe", "")}.items() if one}

    @property
    def categories(self) -> tuple[str, ...]:
        """See `Backbone.categories`: those of the library's own weights, if a file has as many."""
        return tuple(torchvision.models.get_model_weights(self.arch).DEFAULT.meta["categories"])

    @property
    def fixed(self) -> bool:
        """See `Foreign.fixed`."""
        return self.arch.startswith(("vit_", "maxvit"))

    def bare(self, pretrained: bool) -> nn.Module:
        """See `Foreign.bare`.

        Raises:
            UserError: torchvision has no such architecture.
        """
        known = torchvision.models.list_models(module=torchvision.models)
        if self.arch not in known:
            raise unknown("torchvision architecture", self.arch, known)
        network = self._network()
        if pretrained:
            tensors = torchvision.models.get_model_weights(self.arch).DEFAULT.get_state_dict(check_hash=True)
            own = network.state_dict()
            found = channels_adapted(network, self.adapted(network, tensors))
            network.load_state_dict({n: t for n, t in found.items() if n in own})
        return network

    def _network(self) -> nn.Module:
        given: dict[str, Any] = {"init_weights": True} if self.arch in _SIDES else {}
        if self.arch.startswith("vit_") and self.size is not None:
            given["image_size"] = self.size
        network = with_channels(torchvision.models.get_model(self.arch, weights=None, **given), self.channels)
        for name in (n for n in ("AuxLogits", "aux1", "aux2") if self.arch in _SIDES and hasattr(network, n)):
            setattr(network, name, None)  # side exits: no part of the features, nor of training
        if self.arch in _SIDES:
            vars(network)["aux_logits"] = False
        return network

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """See `Foreign.without_classifier`: the last linear layer gives way, or all of a convolutional classifier."""
        name = self.classifiers(network)[0]
        if not isinstance(network.get_submodule(name), nn.Linear):
            network.classifier = nn.AdaptiveAvgPool2d(1)
            return network
        parent, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Identity())
        return network

    def classifiers(self, network: nn.Module) -> tuple[str, ...]:
        """See `Foreign.classifiers`: the last linear layer, or the convolution that stands for it."""
        names = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)] or ["classifier"]
        return names[-1], *(("AuxLogits", "aux1", "aux2") if self.arch in _SIDES else ())

    def adapted(self, network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `Foreign.adapted`: positions of patches are resampled, as timm does it."""
        name = "encoder.pos_embedding"
        own, given = network.state_dict().get(name), tensors.get(name)
        if own is None or given is None or own.shape == given.shape:
            return tensors
        side = math.isqrt(own.shape[1] - 1)  # all but the class token
        return {**tensors, name: resample_abs_pos_embed(given, [side, side], num_prefix_tokens=1)}
