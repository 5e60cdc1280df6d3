"""Networks of sound of transformers: recordings of any length to one feature each, which no padding touches."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.core.errors import UserError
from regraft.preprocessing.waveform import ends


class Listening(nn.Module):
    """A network of the library behind its own feature extractor: recordings (B, T) to features (B, D).

    Features are the mean over the frames in which there is a recording; those of a network that pools (AST) are its
    own. What the extractor makes of a recording has no gradient.
    """

    def __init__(self, network: Any, extractor: Any) -> None:
        super().__init__()
        self.network, self.extractor = network, extractor
        if getattr(network.config, "feat_extract_norm", "") == "group":
            network.feature_extractor = _Alone(network.feature_extractor)

    def forward(self, x: Tensor) -> Tensor:
        """Samples, -inf where a recording has ended, to features."""
        counts = ends(x).tolist()
        given = self._extracted([row[:n].float().cpu().numpy() for row, n in zip(x, counts, strict=True)])
        inputs = given[self.extractor.model_input_names[0]].to(x.device)
        mask = given.get("attention_mask")
        if mask is None:
            return self.network(inputs).pooler_output
        mask = mask.to(x.device)
        states = self._states(inputs, mask, counts)
        weights = self._frames(mask, states.shape[1]).unsqueeze(2).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)

    def extra_repr(self) -> str:
        """What tells apart networks of the same weights."""
        return str(self.extractor.to_json_string())

    def _extracted(self, waves: list[np.ndarray]) -> Any:
        how: dict[str, Any] = {"sampling_rate": self.extractor.sampling_rate, "return_tensors": "pt"}
        if _masks(self.network):
            how |= {"return_attention_mask": True, **({} if _mel(self.network) else {"padding": True})}
        return self.extractor(waves, **how)

    def _states(self, inputs: Tensor, mask: Tensor, counts: list[int]) -> Tensor:
        """States (B, F, D) of the last layer."""
        if _mel(self.network):  # made for recordings that are all filled up with silence
            return self.network(inputs).last_hidden_state
        if isinstance(self.network.feature_extractor, _Alone):
            self.network.feature_extractor.counts = counts
        return self.network(inputs, attention_mask=mask).last_hidden_state

    def _frames(self, mask: Tensor, count: int) -> Tensor:
        """Where (B, F) among the states there is a recording."""
        if _mel(self.network):
            return mask[:, :: mask.shape[1] // count]
        return self.network._get_feature_vector_attention_mask(count, mask)


class _Alone(nn.Module):
    """Convolutions that normalise over time: each recording goes through them by itself, unpadded."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.counts = layers, list[int]()

    def forward(self, x: Tensor) -> Tensor:
        """Samples (B, T) to maps (B, C, F), zero where there is no recording."""
        if len(set(self.counts)) == 1:
            return self.layers(x)
        found = [self.layers(row[None, :n]) for row, n in zip(x, self.counts, strict=True)]
        longest = max(maps.shape[2] for maps in found)
        return torch.cat([F.pad(maps, (0, longest - maps.shape[2])) for maps in found])


def listening(network: Any, extractor: Any) -> Listening:
    """``network``, as the library gave it, made to listen.

    Raises:
        UserError: its family is not one that Regraft can feed.
    """
    config, family = network.config, network.config.model_type
    if _mel(network):
        network = network.get_encoder()
    elif not _masks(network) and family != "audio-spectrogram-transformer":
        raise UserError(
            f"{family} networks do not take recordings; those of wav2vec 2.0, HuBERT, WavLM, AST and Whisper do"
        )
    # What is hidden or left out in pre-training is drawn by other generators than ours, and is not for fine-tuning.
    config.apply_spec_augment, config.layerdrop, config.encoder_layerdrop = False, 0.0, 0.0
    if hasattr(network, "masked_spec_embed"):
        del network.masked_spec_embed
    return Listening(network, extractor)


def _mel(network: Any) -> bool:
    """Whether it is a Whisper network, or the encoder of one."""
    return bool(network.config.model_type == "whisper")


def _masks(network: Any) -> bool:
    """Whether its extractor can say where a recording ends."""
    return _mel(network) or hasattr(network, "_get_feature_vector_attention_mask")
