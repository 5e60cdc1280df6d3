"""Laws of networks of pictures of Hugging Face: features are the library's own, pictures are read as it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regraft.backbones.hf_pictures import HfPictures
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.model import blocks
from regraft.opening import backbone_for

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

SHAPE = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
TEXT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 9,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
CONFIGS = {
    "vit": lambda: transformers.ViTConfig(**SHAPE),
    "deit": lambda: transformers.DeiTConfig(**SHAPE),
    "swin": lambda: transformers.SwinConfig(
        image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4
    ),
    "convnext": lambda: transformers.ConvNextConfig(hidden_sizes=[8, 12, 16, 24], depths=[1, 1, 1, 1], image_size=32),
    "clip": lambda: transformers.CLIPConfig(text_config=TEXT, vision_config=SHAPE, projection_dim=16),
}
PROCESSORS = {
    "vit": lambda: transformers.ViTImageProcessor(size={"height": 32, "width": 32}),
    "deit": lambda: transformers.DeiTImageProcessor(
        size={"height": 36, "width": 36}, crop_size={"height": 32, "width": 32}
    ),
    "swin": lambda: transformers.ViTImageProcessor(size={"height": 32, "width": 32}, resample=3),
    "convnext": lambda: transformers.ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.8),
    "clip": lambda: transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
}


def saved(folder: Path, family: str) -> Path:
    """A folder as those who publish networks make it."""
    torch.manual_seed(0)
    transformers.AutoModel.from_config(CONFIGS[family]()).save_pretrained(folder / family)
    PROCESSORS[family]().save_pretrained(folder / family)
    return folder / family


@pytest.fixture
def pictures(tmp_path) -> Examples:
    """Smooth square ones, which all ways to resize leave nearly alike."""
    rng, paths = np.random.default_rng(0), tuple(tmp_path / f"{i}.png" for i in range(3))
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((80, 80), Image.Resampling.BICUBIC).save(path)
    ids = tuple(p.name for p in paths)
    return Examples(ids, ids, paths, np.arange(3) % 2, ("a", "b"))


def inputs(backbone: HfPictures, examples: Examples) -> torch.Tensor:
    return backbone.preprocess.tensor(backbone.preprocess.decode(examples.items))


@pytest.mark.parametrize("family", CONFIGS)
def test_pictures_are_read_and_features_are_made_as_by_the_library(family, pictures, tmp_path):
    folder = saved(tmp_path, family)
    backbone = backbone_for(f"hf:{folder}", pictures)
    assert isinstance(backbone, HfPictures)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    given = processor([Image.open(p) for p in pictures.items], return_tensors="pt")["pixel_values"]
    x = inputs(backbone, pictures)
    assert x.shape == given.shape
    assert (x - given).abs().mean() < 0.02  # standard deviations: roundings of pixels
    network = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        found = getattr(network, "vision_model", network)(pixel_values=x)
        wanted = found.last_hidden_state[:, 0] if family in ("vit", "deit") else found.pooler_output
        assert torch.allclose(backbone.build().eval()(x), wanted, atol=1e-5)


@pytest.mark.parametrize("family", CONFIGS)
def test_networks_of_pictures_keep_the_laws_of_backbones(family, pictures, kept, tmp_path):
    backbone = backbone_for(f"hf:{saved(tmp_path, family)}", pictures)
    network, x = backbone.build(pretrained=False).train(), inputs(backbone, pictures)
    held = [id(p) for block in blocks(network) for p in block.parameters()]
    assert len(held) == len(set(held))
    assert len(held) >= len(list(network.parameters())) - 3  # those that lie beside its blocks, as class tokens
    network(x).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []
    assert entry("backbones", to_plain(backbone)) == backbone
    kept(network, backbone, lambda its: inputs(its, pictures), tmp_path / family)


@pytest.mark.parametrize("missing", ["preprocessor_config.json", "config.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(missing, pictures, tmp_path):
    folder = saved(tmp_path, "vit")
    (folder / missing).unlink()
    with pytest.raises(UserError, match=missing):
        backbone_for(f"hf:{folder}", pictures).build()
