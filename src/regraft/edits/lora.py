"""Low-rank adaptation."""

from typing import Annotated

from pydantic import Field

from regraft.core.config import settings
from regraft.edits._adapting import inject
from regraft.edits._base import Edit
from regraft.model import Model, Problem


@settings
class Lora(Edit):
    """Freeze the backbone and add trainable low-rank updates to its linear layers and ungrouped convolutions.

    Needs the extra ``peft``.
    Reference: Hu et al., LoRA: low-rank adaptation of large language models, ICLR 2022, eq. 3; Liu et al., DoRA:
    weight-decomposed low-rank adaptation, ICML 2024, eq. 5.
    """

    rank: Annotated[int, Field(ge=1)] = 8
    """Rank of each update."""
    scale: Annotated[float, Field(gt=0)] = 2.0
    """Factor of the update (alpha over rank)."""
    decompose: bool = False
    """Whether the length of each row of the weights learns by itself, and the update turns the rows only (DoRA)."""

    def apply(self, model: Model, problem: Problem) -> Model:
        """See `Edit.apply`.

        Raises:
            UserError: peft is not installed.
            CandidateError: the network has no layer to adapt.
        """
        options = {"r": self.rank, "lora_alpha": self.scale * self.rank, "use_dora": self.decompose}
        return inject(model, "LoraConfig", lambda names: options)
