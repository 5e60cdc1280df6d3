"""A small network of GPT-2's design, trained by the example: it learns, and its folder is one of Hugging Face."""

import argparse
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from regraft.backbones.hf import Hf
from regraft.data.examples import Examples

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

FILE = Path(__file__).parents[2] / "examples" / "networks" / "small_gpt2.py"
ANIMALS, PLACES = ("ant", "bee", "naïve cat", "蚂蚁"), ("garden", "house", "old mill", "花园")
TEXTS = tuple(f"the {animal} sleeps in the {place}" for animal in ANIMALS for place in PLACES)


@pytest.fixture(scope="module")
def folder(loaded, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("gpt2")
    (place / "texts.txt").write_text("\n".join(TEXTS), "utf-8")
    given = {"texts": place / "texts.txt", "folder": place / "made", "steps": 250, "tokens": 320, "width": 32}
    loaded(FILE).main(argparse.Namespace(**given, layers=2, context=24, seed=0))
    return given["folder"]


def test_it_learns_to_say_the_texts(folder):
    """Texts that it has read are likelier than the same words backwards, and than every token alike."""
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def loss(text: str) -> float:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            return float(network(ids, labels=ids).loss)

    read = np.mean([loss(text) for text in TEXTS])
    assert read < np.mean([loss(" ".join(reversed(text.split()))) for text in TEXTS]) - 1
    assert read < math.log(len(tokenizer)) / 2
    assert [tokenizer.decode(tokenizer(text)["input_ids"]) for text in TEXTS] == list(TEXTS)


def test_features_are_the_librarys_last_states(folder):
    ids = tuple(map(str, range(len(TEXTS))))
    examples = Examples(ids, ids, TEXTS, np.arange(len(TEXTS)) % 2, ("a", "b"), kind="text")
    backbone = Hf(arch=str(folder)).suited(examples)
    network = backbone.build().eval()
    library = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        ours = network(backbone.preprocess.tensor(backbone.preprocess.decode(TEXTS)))
        for text, found in zip(TEXTS, ours, strict=True):
            wanted = library(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1]
            assert (found - wanted).abs().max() < 1e-5
