"""Networks of torchvision."""

import torchvision
from torch import nn

from regraft.backbones._foreign import Foreign
from regraft.core.config import settings
from regraft.core.errors import unknown


@settings
class Torchvision(Foreign):
    """A classification network of torchvision: ``torchvision:resnet18``, ``torchvision:mobilenet_v2@weights.pth``."""

    @property
    def native(self) -> int:
        """See `Foreign.native`."""
        return 299 if self.arch == "inception_v3" else 224

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
        extra = {"init_weights": True} if self.arch in ("inception_v3", "googlenet") and not pretrained else {}
        network = torchvision.models.get_model(self.arch, weights="DEFAULT" if pretrained else None, **extra)
        if hasattr(network, "aux_logits"):
            network.aux_logits = False
            for name in ("AuxLogits", "aux1", "aux2"):  # side exits: no part of the features
                setattr(network, name, None)
        return network

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """See `Foreign.without_classifier`: the last linear layer gives way, or all of a convolutional classifier."""
        names = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)]
        if not names:
            network.classifier = nn.AdaptiveAvgPool2d(1)
            return network
        parent, _, leaf = names[-1].rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Identity())
        return network
