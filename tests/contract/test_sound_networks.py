"""Laws of networks of sound: features are the library's own, and a recording's do not depend on the others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from regraft.augment import Augment
from regraft.backbones.hf_sound import HfSound
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.model import Model, blocks
from regraft.opening import backbone_for
from regraft.preprocessing.waveform import Waveform

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

RATE = 8000
CONVOLUTIONS = {"conv_dim": (16, 16), "conv_stride": (40, 4), "conv_kernel": (80, 8), "num_feat_extract_layers": 2}
WAVES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 12,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, **CONVOLUTIONS,
}  # fmt: skip
CONFIGS = {
    "wav2vec2": lambda: transformers.Wav2Vec2Config(**WAVES),
    "wav2vec2-large": lambda: transformers.Wav2Vec2Config(
        feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, **WAVES
    ),
    "hubert": lambda: transformers.HubertConfig(**WAVES),
    "wavlm": lambda: transformers.WavLMConfig(**WAVES),
    "ast": lambda: transformers.ASTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_length=64, num_mel_bins=32
    ),
    "whisper": lambda: transformers.WhisperConfig(
        d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=64, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=64, vocab_size=40, num_mel_bins=20, max_source_positions=100,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    ),
}  # fmt: skip
EXTRACTORS = {
    "ast": lambda: transformers.ASTFeatureExtractor(sampling_rate=16000, num_mel_bins=32, max_length=64),
    "whisper": lambda: transformers.WhisperFeatureExtractor(feature_size=20, sampling_rate=16000, chunk_length=2),
}
LENGTHS = (3000, 2111, 960)


def saved(folder: Path, family: str) -> Path:
    """A folder as those who publish networks make it."""
    torch.manual_seed(0)
    transformers.AutoModel.from_config(CONFIGS[family]()).save_pretrained(folder / family)
    extractor = EXTRACTORS.get(family, lambda: transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE))
    extractor().save_pretrained(folder / family)
    return folder / family


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {family: saved(tmp_path_factory.mktemp("networks"), family) for family in CONFIGS}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Examples:
    folder, rng = tmp_path_factory.mktemp("recordings"), np.random.default_rng(0)
    paths = tuple(folder / f"{i}.wav" for i in range(len(LENGTHS)))
    for path, length in zip(paths, LENGTHS, strict=True):
        soundfile.write(path, rng.uniform(-0.5, 0.5, length), RATE)
    ids = tuple(p.name for p in paths)
    return Examples(ids, ids, paths, np.arange(len(ids)) % 2, ("a", "b"), kind="audio")


def inputs(backbone: HfSound, examples: Examples) -> torch.Tensor:
    return backbone.preprocess.tensor(backbone.preprocess.decode(examples.items))


def theirs(family: str, folder: Path, wave: np.ndarray) -> torch.Tensor:
    """What the library makes of one recording (T), by its own classes: features (1, D)."""
    network = transformers.AutoModel.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    given = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.no_grad():
        if family == "ast":
            return network(**given).pooler_output
        if family == "whisper":
            frames = -(-len(wave) // 320)  # of two hops of 160 samples each
            return network.get_encoder()(**given).last_hidden_state[:, :frames].mean(1)
        return network(**given).last_hidden_state.mean(1)


@pytest.mark.parametrize("family", CONFIGS)
def test_features_are_the_librarys_own_of_each_recording_alone(family, folders, recordings):
    backbone = backbone_for(f"hf:{folders[family]}", recordings)
    assert isinstance(backbone, HfSound)
    network, x = backbone.build().eval(), inputs(backbone, recordings)
    with torch.no_grad():
        found = network(x)
        assert found.shape == (3, network.feature_dim)
        for row, features in zip(x, found, strict=True):
            wave = row[torch.isfinite(row)]
            assert torch.allclose(features, theirs(family, folders[family], wave.numpy())[0], atol=1e-5)
            assert torch.allclose(features, network(wave[None])[0], atol=1e-5)


@pytest.mark.parametrize("family", CONFIGS)
def test_networks_of_sound_keep_the_laws_of_backbones(family, folders, recordings):
    backbone = backbone_for(f"hf:{folders[family]}", recordings)
    network = backbone.build(pretrained=False).train()
    held = [id(p) for block in blocks(network) for p in block.parameters()]
    assert len(held) == len(set(held))
    model = Model(network, nn.Linear(network.feature_dim, 2), ("a", "b"))
    grouped = [id(p) for group in model.depth_groups() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    network(inputs(backbone, recordings)).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None] == []
    assert entry("backbones", to_plain(backbone)) == backbone


@pytest.mark.parametrize("family", ["wav2vec2", "whisper", "ast"])
def test_a_saved_network_of_sound_needs_nothing_else(family, recordings, kept, tmp_path):
    backbone = backbone_for(f"hf:{saved(tmp_path, family)}", recordings)
    kept(backbone.build(), backbone, lambda its: inputs(its, recordings), tmp_path / family)


@pytest.mark.parametrize("missing", ["preprocessor_config.json", "config.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(missing, recordings, tmp_path):
    folder = saved(tmp_path, "wav2vec2")
    (folder / missing).unlink()
    with pytest.raises(UserError, match=missing):
        backbone_for(f"hf:{folder}", recordings).build()


def test_a_recording_is_marked_where_it_ends(recordings):
    heard = Waveform(rate=RATE, seconds=0.5, ended=True)
    arrays = heard.decode(recordings.items)
    x = heard.tensor(arrays)
    assert x.shape == (3, max(LENGTHS))  # cut at the longest of the batch
    assert torch.isfinite(x).sum(1).tolist() == list(LENGTHS)
    whole = Waveform(rate=RATE, seconds=0.375).tensor(Waveform(rate=RATE, seconds=0.375).decode(recordings.items[:1]))
    assert torch.equal(x[:1], whole)
    varied = heard.tensor(arrays, Augment(), Augment().draw(3, 0))
    assert torch.isfinite(varied).sum(1).tolist() == list(LENGTHS)
    assert varied[torch.isfinite(varied)].abs().max() <= 1
    assert heard.order(arrays, np.arange(3)).tolist() == [2, 1, 0]
    assert heard.key != Waveform(rate=RATE, seconds=0.5).key
