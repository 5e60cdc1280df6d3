"""Low-rank updates folded into the weights."""

from regraft.core.config import settings
from regraft.edits._base import Edit
from regraft.model import Model, Problem


@settings
class MergeLora(Edit):
    """Add each low-rank update to the weights it adapts and remove it: the network has its old shape and cost again."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`."""
        for name, layer in list(model.backbone.named_modules()):
            if hasattr(layer, "lora_A") and hasattr(layer, "get_base_layer"):
                layer.merge()
                parent, _, leaf = name.rpartition(".")
                setattr(model.backbone.get_submodule(parent), leaf, layer.get_base_layer())
        return model
