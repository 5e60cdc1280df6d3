"""Laws of text networks: padding changes nothing, features are the library's own, what is saved needs nothing else."""

import json
import pickle
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from torch import nn

from regraft.backbones._base import Backbone
from regraft.backbones._facts import facts
from regraft.backbones._reach import opened
from regraft.backbones._text import pooled
from regraft.backbones._vectors import rows_of
from regraft.backbones.glove import Glove
from regraft.backbones.hf import Hf
from regraft.backbones.small import Small
from regraft.core.config import entry, to_plain
from regraft.core.errors import CandidateError, UserError
from regraft.data.dataset import Domain, whole
from regraft.data.examples import Examples
from regraft.feeding import Feed
from regraft.model import Model, Problem, blocks
from regraft.preprocessing._text import PAD
from regraft.preprocessing.hf_tokens import load
from regraft.preprocessing.subwords import learned
from regraft.preprocessing.words import split
from regraft.tasks.classification import Classification
from regraft.training import run

transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="the extra hf is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

TEXTS = ("where is my card", "i want my money back", "my card is lost", "银行卡丢了", "send the money") * 2
SHAPE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "max_position_embeddings": 48}
CONFIGS = {
    "bert": lambda n: transformers.BertConfig(vocab_size=n, intermediate_size=64, **SHAPE),
    "distilbert": lambda n: transformers.DistilBertConfig(
        vocab_size=n, dim=32, n_layers=3, n_heads=2, hidden_dim=64, max_position_embeddings=48
    ),
    "roberta": lambda n: transformers.RobertaConfig(vocab_size=n, intermediate_size=64, pad_token_id=0, **SHAPE),
    "mpnet": lambda n: transformers.MPNetConfig(vocab_size=n, intermediate_size=64, pad_token_id=0, **SHAPE),
    "gpt2": lambda n: transformers.GPT2Config(vocab_size=n, n_embd=32, n_layer=3, n_head=2, n_positions=48),
    "llama": lambda n: transformers.LlamaConfig(
        vocab_size=n, intermediate_size=64, num_key_value_heads=2, pad_token_id=None, **SHAPE
    ),
    "mistral": lambda n: transformers.MistralConfig(
        vocab_size=n, intermediate_size=64, num_key_value_heads=2, pad_token_id=None, **SHAPE
    ),
    "t5": lambda n: transformers.T5Config(vocab_size=n, d_model=32, d_kv=16, d_ff=64, num_layers=3, num_heads=2),
}
DECODERS = ("gpt2", "llama", "mistral")


@pytest.fixture(scope="module")
def examples() -> Examples:
    ids = tuple(map(str, range(len(TEXTS))))
    return Examples(ids, ids, TEXTS, np.arange(len(TEXTS)) % 2, ("a", "b"), kind="text")


def folder_of(family: str, root: Path) -> Path:
    """A small random network of the family with a tokenizer, as the library saves them."""
    vocabulary = ("[PAD]", *learned(TEXTS))
    inner = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    pad = {} if family in DECODERS else {"pad_token": "[PAD]"}  # these come without one
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", **pad).save_pretrained(root)
    torch.manual_seed(0)
    transformers.AutoModel.from_config(CONFIGS[family](len(vocabulary))).save_pretrained(root)
    return root


def vectors(file: Path, header: str = "") -> Path:
    words = sorted({word for text in TEXTS[:4] for word in split(text)} - {"lost"})
    rng = np.random.default_rng(0)
    file.write_text(header + "".join(f"{w} {' '.join(f'{v:.4f}' for v in rng.normal(size=12))}\n" for w in words))
    return file


@pytest.fixture(scope="module", params=[*CONFIGS, "small", "average", "attention", "recurrent"])
def backbone(request, tmp_path_factory, examples) -> Backbone:
    if request.param == "small":
        return Small().suited(examples)
    if request.param not in CONFIGS:
        file = vectors(tmp_path_factory.mktemp(request.param) / "vectors.txt")
        return Glove(arch=request.param, weights=file).suited(examples)
    return Hf(arch=str(folder_of(request.param, tmp_path_factory.mktemp(request.param)))).suited(examples)


def made(backbone: Backbone):
    torch.manual_seed(0)
    return backbone.build().eval()


def test_padding_changes_nothing(backbone):
    network, preprocess = made(backbone), backbone.preprocess
    arrays = preprocess.decode(TEXTS[:5])
    with torch.no_grad():
        together = network(preprocess.tensor(arrays))
        alone = torch.cat([network(preprocess.tensor(arrays[i : i + 1])) for i in range(5)])
    assert together.shape == (5, network.feature_dim)
    assert (together - alone).abs().max() < 1e-5


def test_neither_does_the_side_that_is_padded(backbone):
    """Token numbers filled up on the left are the same texts; and the tokenizer's own habit is of no account."""
    if not isinstance(backbone, Hf):
        pytest.skip("these networks only see what Regraft's own tokenizers give")
    network, preprocess = made(backbone), backbone.preprocess
    x = preprocess.tensor(preprocess.decode(TEXTS[:5]))
    left = torch.stack([row.roll(int((row == PAD).sum())) for row in x])
    assert (left[:, 0] == PAD).any()
    with torch.no_grad():
        assert torch.equal(network(left), network(x))
    tokenizer = load(backbone.arch)
    tokenizer.padding_side = "left"
    assert np.array_equal(preprocess.decode(TEXTS), replace(preprocess, length=preprocess.length).decode(TEXTS))
    tokenizer.padding_side = "right"


def test_features_are_the_librarys_own(backbone):
    """Parity with the library: the mean of an encoder's last states, the last state of a decoder's, text by text."""
    if not isinstance(backbone, Hf):
        pytest.skip("these networks are our own")
    library = transformers.AutoModel.from_pretrained(backbone.arch).eval()
    library = library.get_encoder() if library.config.is_encoder_decoder else library
    tokenizer = transformers.AutoTokenizer.from_pretrained(backbone.arch)
    network = made(backbone)
    for text in TEXTS[:5]:
        with torch.no_grad():
            states = library(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).last_hidden_state[0]
            ours = network(backbone.preprocess.tensor(backbone.preprocess.decode([text])))[0]
        wanted = states[-1] if library.config.model_type in DECODERS else states.mean(0)
        assert (ours - wanted).abs().max() < 1e-5


def test_stages_are_the_librarys_layers(backbone):
    """Features at each depth are its hidden states, pooled; and they go on from what was remembered at any depth."""
    if not isinstance(backbone, Hf) or Path(backbone.arch).name.startswith("t5"):
        pytest.skip("this network is one stage: its layers share what the first one finds")
    library = transformers.AutoModel.from_pretrained(backbone.arch, output_hidden_states=True).eval()
    network, tokens = made(backbone), backbone.preprocess.tensor(backbone.preprocess.decode(TEXTS[:5]))
    assert len(network.stages) == 1 + library.config.num_hidden_layers
    assert len(blocks(network)) == len(network.stages)
    mask = tokens != PAD
    with torch.no_grad():
        states = library(input_ids=tokens.clamp_min(0), attention_mask=mask.long()).hidden_states
        found = network.depths(tokens)
        for depth, wanted in enumerate(states):
            assert (found[depth] - pooled(wanted, mask, network.pool)).abs().max() < 1e-5
            assert (network(network(tokens, 0, depth), depth) - found[-1]).abs().max() < 1e-5


@pytest.mark.parametrize("method", ["gradual", "probe_then_tune"])
def test_a_frozen_prefix_runs_once_and_changes_no_weight(backbone, examples, method, monkeypatch):
    """Training on remembered activations gives the weights that training on the texts gives."""
    if not isinstance(backbone, Hf) or not backbone.arch.endswith(("bert0", "llama0")):
        pytest.skip("two families stand for all: their stages are proven above")
    dataset = whole(examples, backbone.preprocess.decode(TEXTS))
    problem = Problem(Classification(classes=("a", "b")), Domain("target", dataset), backbone, seed=0)
    start = Model(made(backbone), nn.Identity(), ())
    phases = entry("methods", method).with_steps(8).phases(problem)
    remembered = run(start, phases, problem)
    kept = []
    monkeypatch.setattr(Feed, "remember", lambda feed, network, stop: kept.append(stop))
    naive = run(start, phases, problem)
    assert kept[0] == len(start.backbone.stages)
    assert any(0 < stop < len(start.backbone.stages) for stop in kept)
    for (name, one), two in zip(remembered.state_dict().items(), naive.state_dict().values(), strict=True):
        assert (one - two).abs().max() < 1e-4, name


def test_low_rank_updates_reach_every_layer(backbone, examples):
    pytest.importorskip("peft", reason="the extra peft is not installed")
    if not isinstance(backbone, Hf) or not backbone.arch.endswith(("bert0", "gpt20")):
        pytest.skip("two families stand for all: linear layers, and those of GPT-2, which stand the other way round")
    dataset = whole(examples, backbone.preprocess.decode(TEXTS))
    problem = Problem(Classification(classes=("a", "b")), Domain("target", dataset), backbone, seed=0)
    start = Model(made(backbone), nn.Identity(), ())
    found = run(start, entry("methods", "lora").with_steps(3).phases(problem), problem)
    assert found.backbone.state_dict().keys() == start.backbone.state_dict().keys()
    for one, two in zip(found.backbone.stages[1:], start.backbone.stages[1:], strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_a_prefix_is_learned_where_attention_can_be_given_one(backbone, examples):
    """Other weights stay; the rest is refused in a sentence."""
    pytest.importorskip("peft", reason="the extra peft is not installed")
    dataset = whole(examples, backbone.preprocess.decode(TEXTS))
    problem = Problem(Classification(classes=("a", "b")), Domain("target", dataset), backbone, seed=0)
    start = Model(made(backbone), nn.Identity(), ())
    phases = entry("methods", "prefix?adapter.width=4").with_steps(3).phases(problem)
    if not isinstance(backbone, Hf) or Path(backbone.arch).name[:-1] not in (*DECODERS, "bert", "roberta"):
        with pytest.raises(CandidateError, match="a prefix needs"):
            run(start, phases, problem)
        return
    found, before = run(start, phases, problem), dict(start.backbone.named_parameters())
    named = dict(found.backbone.named_parameters())
    assert all(torch.equal(named[name], p) for name, p in before.items())
    learned = [p for name, p in named.items() if name not in before]
    assert len(learned) == 5
    assert all(p.detach().abs().sum() > 0 for p in learned)


def test_texts_as_long_as_there_are_positions(backbone, examples):
    long = replace(examples, items=tuple(" ".join([text] * 40) for text in TEXTS))
    suited = backbone.suited(long)
    with torch.no_grad():
        found = made(suited)(suited.preprocess.tensor(suited.preprocess.decode(long.items)))
    assert torch.isfinite(found).all()


def test_blocks_are_in_depth_order_and_learn(backbone):
    network = made(backbone).train()
    held = [id(p) for block in blocks(network) for p in block.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in network.parameters()}
    assert len(blocks(network)) >= (3 if isinstance(backbone, Hf) else 1)
    network(backbone.preprocess.tensor(backbone.preprocess.decode(TEXTS))).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_what_is_said_of_its_blocks_names_layers_and_shapes(backbone):
    """Layers in a list are not run as one module: a reader wants theirs, not that of the list."""
    found = facts(backbone, made(backbone))
    assert all(block.shape for block in found.blocks)
    assert not any("ModuleList" in block.name for block in found.blocks)


def test_word_vectors_can_be_looked_at_without_a_target(tmp_path):
    alone = Glove(arch=str(vectors(tmp_path / "vectors.txt"))).alone()
    assert facts(alone, alone.build()).features == alone.width
    assert "target" not in alone.described


def test_what_is_saved_needs_nothing_else(backbone, kept):
    kept(made(backbone), backbone, lambda its: its.preprocess.tensor(its.preprocess.decode(TEXTS)))


def test_options_round_trip(backbone):
    assert entry("backbones", to_plain(backbone)) == backbone


def test_transformers_learn_at_a_smaller_rate_and_word_vectors_at_a_larger(backbone):
    assert made(backbone).tempo == {Hf: 0.1, Small: 1.0, Glove: 30.0}[type(backbone)]
    if isinstance(backbone, Glove):
        assert backbone.build(pretrained=False).tempo == 10.0


def test_pictures_are_refused(backbone, examples):
    pictures = Examples(("0",), ("0",), (Path("0.png"),), None, ())
    with pytest.raises(UserError, match="networks take texts, but these are pictures"):
        backbone.suited(pictures)


def test_a_folder_without_a_tokenizer(tmp_path, examples):
    root = folder_of("bert", tmp_path)
    for file in root.glob("*token*"):
        file.unlink()
    with pytest.raises(UserError, match=r"there is no tokenizer in the folder .*; bring its files"):
        Hf(arch=str(root)).suited(examples)


def test_a_folder_that_is_no_network(tmp_path, examples):
    with pytest.raises(UserError, match=r"the folder .* is not a network that transformers can read"):
        Hf(arch=str(tmp_path)).suited(examples)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"the folder .* is not a network that transformers can read"):
        Hf(arch=str(tmp_path)).suited(examples)


def test_a_hub_that_cannot_be_reached(examples, monkeypatch):
    unnamed(monkeypatch)
    with pytest.raises(UserError, match=r"is not on this machine .* name that: hf:path/to/folder"):
        Hf(arch="somebody/some-network").suited(examples)


def unnamed(monkeypatch) -> None:
    """No host has an address, and no proxy asks for us."""

    def nowhere(*args):
        raise socket.gaierror("name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    monkeypatch.setattr("regraft.backbones._reach.getproxies", dict)


def test_a_hub_without_an_address_is_not_asked_again_and_again(monkeypatch):
    unnamed(monkeypatch)
    assert opened(constants.is_offline_mode)
    assert not constants.is_offline_mode()
    with pytest.raises(ZeroDivisionError):
        opened(lambda: 1 / 0)
    assert not constants.is_offline_mode()
    monkeypatch.setattr("regraft.backbones._reach.getproxies", lambda: {"https": "http://proxy:8080"})
    assert not opened(constants.is_offline_mode)


class _Runs:
    """What a pickle makes of this runs code."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def carrying_code(root: Path) -> None:
    (root / "model.safetensors").unlink()
    (root / "pytorch_model.bin").write_bytes(pickle.dumps({"x": _Runs(root / "ran")}))


def of_another_depth(root: Path) -> None:
    config = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 9}))


def of_another_width(root: Path) -> None:
    config = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))


def naming_its_own_code(root: Path) -> None:
    config = json.loads((root / "config.json").read_text())
    named = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (root / "config.json").write_text(json.dumps(config | named))
    (root / "own.py").write_text(f"open({str(root / 'ran')!r}, 'w')")


def of_pictures(root: Path) -> None:
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    transformers.AutoModel.from_config(transformers.ViTConfig(image_size=32, **shape)).save_pretrained(root)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (carrying_code, "hold more than plain tensors, and loading them could run code in them; ask their author"),
        (of_another_depth, r"they lack 96 tensors, the first 'encoder.layer.3.*; bring the two files"),
        (of_another_width, "its weights have other shapes than its config.json says"),
        (naming_its_own_code, "contains custom code which must be executed"),
        (of_pictures, "is no network of text but a vit; give another source"),
        (lambda root: (root / "model.safetensors").unlink(), "no file named model.safetensors"),
        (lambda root: (root / "model.safetensors").write_bytes(b"12"), "is not a network that transformers can read"),
        (lambda root: (root / "tokenizer.json").write_text("{"), "there is no tokenizer in the folder"),
    ],
)
def test_folders_that_are_spoiled(spoil, message, tmp_path, examples):
    root = folder_of("bert", tmp_path)
    spoil(root)
    with pytest.raises(UserError, match=message):
        Hf(arch=str(root)).suited(examples).build()
    assert not (root / "ran").exists()


def test_a_pool_that_does_not_exist(tmp_path, examples):
    with pytest.raises(UserError, match=r"option 'pool' of hf is 'first'; choose auto, mean or last"):
        Hf(arch=str(folder_of("bert", tmp_path)), pool="first").suited(examples).build()


@pytest.mark.parametrize("header", ["", "13 12\n"])
def test_word_vectors_are_those_of_the_file(tmp_path, examples, header):
    file = vectors(tmp_path / "vectors.vec", header)
    found = Glove(arch=str(file)).suited(examples)
    lines = {line.split()[0]: line.split()[1:] for line in file.read_text().splitlines()[bool(header) :]}
    weight = made(found).stages[0].embedding.weight.detach()
    assert found.text.vocabulary[1:] == tuple(lines)
    for word, row in zip(found.text.vocabulary[1:], weight[1:], strict=True):
        assert row.tolist() == pytest.approx([float(v) for v in lines[word]])
    assert weight[0].tolist() == pytest.approx(weight[1:].mean(0).tolist(), abs=1e-6)
    assert found.missed == pytest.approx(3 / 21, abs=1e-4)  # lost, send, the
    assert f"{100 * found.missed:.1f}% of the target's words are unknown" in found.described


def test_only_the_words_that_are_wanted_are_read_below_the_common_ones(tmp_path):
    file = tmp_path / "v.txt"
    file.write_text("the 1 2\nof 3 4\nrare x y\ncard 5 6\n\xff\xfe 7 8\ncard 9 9\n", encoding="latin-1")
    assert dict(rows_of(file, {"card"}, 2)) == {"the": [1.0, 2.0], "of": [3.0, 4.0], "card": [5.0, 6.0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "does not hold word vectors: each line needs a word and its numbers"),
        ("<html>\n", "does not hold word vectors"),
        ("a 1 2\nb 1\n", r"line 2 of .* has 1 numbers, the first has 2; repair the file"),
        ("a 1 2\nb 1 x\n", r"line 2 of .* does not hold finite numbers after its word"),
        ("a 1 2\nb 1 nan\n", r"line 2 of .* does not hold finite numbers after its word"),
    ],
)
def test_bad_files_of_vectors(tmp_path, examples, content, message):
    file = tmp_path / "v.txt"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        Glove(arch=str(file)).suited(examples)
    with pytest.raises(UserError, match=r"the word vectors .*gone.txt cannot be read: .*; check the path"):
        Glove(arch=str(tmp_path / "gone.txt")).suited(examples)
