"""Networks of timm."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import timm
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from torch import Tensor, nn

from regraft.backbones._foreign import Foreign
from regraft.backbones._weights import HUB_CONVENTIONS
from regraft.core.config import settings
from regraft.core.errors import unknown


@settings
class Timm(Foreign):
    """A network of timm: ``timm:resnet18``, ``timm:mobilenetv2_100@weights.pth``."""

    @property
    def native(self) -> int:
        """See `Foreign.native`."""
        config = timm.get_pretrained_cfg(self.arch)
        return int(config.input_size[-1]) if config else 224

    @property
    def usual(self) -> str:
        """See `Foreign.usual`."""
        config = timm.get_pretrained_cfg(self.arch)
        own = (config.mean, config.std) if config else None
        return next((name for name, both in HUB_CONVENTIONS.items() if own and np.allclose(both, own)), "imagenet")

    @property
    def published(self) -> Mapping[str, str]:
        """See `Foreign.published`."""
        config = timm.get_pretrained_cfg(self.arch)
        if config is None:
            return {}
        citation = config.paper_ids or config.paper_name or config.origin_url
        said = {"origin": config.hf_hub_id or config.url, "licence": config.license, "citation": citation}
        return {what: str(one) for what, one in said.items() if one}

    @property
    def categories(self) -> tuple[str, ...]:
        """See `Backbone.categories`: those of ImageNet, the first of their names."""
        config = timm.get_pretrained_cfg(self.arch)
        subset = infer_imagenet_subset(config.to_dict()) if config and isinstance(config.classifier, str) else None
        if subset is None:
            return ()
        known = ImageNetInfo(subset)
        return tuple(known.index_to_description(i).partition(",")[0] for i in range(known.num_classes()))

    @property
    def fixed(self) -> bool:
        """See `Foreign.fixed`."""
        config = timm.get_pretrained_cfg(self.arch)
        return bool(config and config.fixed_input_size)

    def bare(self, pretrained: bool) -> nn.Module:
        """See `Foreign.bare`; timm itself fits the hub's weights to another size or number of channels.

        Raises:
            UserError: timm has no such architecture.
        """
        if not timm.is_model(self.arch):
            raise unknown("timm architecture", self.arch, timm.list_models())
        given: dict[str, Any] = {} if self.channels == 3 else {"in_chans": self.channels}
        if self.fixed and self.size not in (None, self.native):
            given["img_size"] = self.size
        return timm.create_model(self.arch, pretrained=pretrained, **given)

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """See `Foreign.without_classifier`."""
        network.reset_classifier(0)  # type: ignore[operator]
        return network

    def classifiers(self, network: nn.Module) -> tuple[str, ...]:
        """See `Foreign.classifiers`."""
        names = network.default_cfg["classifier"]  # type: ignore[index]
        return (names,) if isinstance(names, str) else tuple(names)

    def adapted(self, network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `Foreign.adapted`: timm resamples positions and patches, and knows the names that others gave."""
        own = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        try:
            return dict(own(tensors, network)) if own else tensors
        except Exception:  # on tensors of another architecture it raises nearly anything; those are refused later
            return tensors
