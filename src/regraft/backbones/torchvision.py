"""Networks of torchvision."""

import torchvision
from torch import nn

from regraft.backbones._foreign import Foreign
from regraft.core.config import settings
from regraft.core.errors import unknown


@settings
class Torchvision(Foreign):
    """A classification network of torchvision: ``torchvision:resnet18``, ``torchvision:mobilenet_v2@weights.safetensors``."""

    @property
    def native(self) -> int:
        """See `Foreign.native`."""
        return 299 if self.arch == "inception_v3" else 224

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
            network.aux_logits, network.AuxLogits = False, None
        return network

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """See `Foreign.without_classifier`: the last linear layer gives way."""
        name = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
        parent, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Identity())
        return network
