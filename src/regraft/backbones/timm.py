"""Networks of timm."""

import timm
from torch import nn

from regraft.backbones._foreign import Foreign
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
    def fixed(self) -> bool:
        """See `Foreign.fixed`."""
        config = timm.get_pretrained_cfg(self.arch)
        return bool(config and config.fixed_input_size)

    def bare(self, pretrained: bool) -> nn.Module:
        """See `Foreign.bare`.

        Raises:
            UserError: timm has no such architecture.
        """
        if not timm.is_model(self.arch):
            raise unknown("timm architecture", self.arch, timm.list_models())
        return timm.create_model(self.arch, pretrained=pretrained)

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """See `Foreign.without_classifier`."""
        network.reset_classifier(0)  # type: ignore[operator]
        return network
