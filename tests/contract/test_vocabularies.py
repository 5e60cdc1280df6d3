"""Vocabularies that change: what both know is carried over token by token, and says the same as before."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from regraft.backbones._vocabulary import carry_over, mapped, told
from regraft.backbones.glove import Glove
from regraft.backbones.hf import Hf
from regraft.backbones.small import Small
from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.preprocessing.hf_tokens import load

OLD = ("where is my card", "my card is lost", "send the money", "where is the money") * 2
NEW = ("where is my zeppelin", "银行卡丢了", "my zeppelin is lost") * 2


def examples(texts: tuple[str, ...]) -> Examples:
    ids = tuple(map(str, range(len(texts))))
    return Examples(ids, ids, texts, np.arange(len(texts)) % 2, ("a", "b"), kind="text")


def features(backbone, network, texts) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(backbone.preprocess.tensor(backbone.preprocess.decode(texts)))


def vectors(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    lines = (f"{word} {' '.join(f'{v:.3f}' for v in draw.normal(size=8))}\n" for word in {*" ".join(OLD).split()})
    (folder / "vectors.txt").write_text("".join(lines))
    return folder / "vectors.txt"


def pretrained(folder: Path, more: tuple[str, ...] = ()) -> Path:
    """A random BERT that knows the words of ``OLD``; its tokenizer was given ``more`` afterwards."""
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    tokenizers = pytest.importorskip("tokenizers", reason="the extra hf is not installed")
    words = ["[PAD]", "[UNK]", *sorted({*" ".join(OLD).split()})]
    inner = tokenizers.Tokenizer(tokenizers.models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]")
    tokenizer.add_tokens(list(more))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    transformers.AutoModel.from_config(transformers.BertConfig(vocab_size=len(words), **shape)).save_pretrained(folder)
    return folder


def test_rows_go_with_their_tokens_and_new_ones_are_drawn_like_them():
    rows = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 0.1]) + 2
    known = [f"old{i}" for i in range(500)]
    tokens = [*(f"new{i}" for i in range(2000)), "old7", "old3"]
    found = mapped(rows, known, tokens)
    assert torch.equal(found[2000:], rows[[7, 3]])
    assert torch.allclose(found[:2000].mean(0), rows.mean(0), atol=0.4)
    assert torch.allclose(found[:2000].std(0), rows.std(0), rtol=0.1)
    assert torch.equal(found, mapped(rows, known, tokens))
    assert told(known, tokens) == "2 tokens carried over, 2,000 new, 498 left"


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("kind", ["small", "average", "recurrent", "hf"])
def test_texts_of_known_words_have_their_old_features(kind, keep, tmp_path):
    if kind == "hf":
        backbone = Hf(arch=str(pretrained(tmp_path))).suited(examples(OLD))
        if not keep:
            with pytest.raises(UserError, match=r"cannot be replaced, only added to: --vocabulary both"):
                backbone.respelled(examples(NEW), keep)
            return
    else:
        made = Small() if kind == "small" else Glove(arch=kind, weights=vectors(tmp_path))
        backbone = made.suited(examples(OLD))
    torch.manual_seed(0)
    old = backbone.build()
    other = backbone.respelled(examples(NEW), keep)
    new = other.build(pretrained=False)
    carry_over(old, new, backbone.vocabulary, other.vocabulary)
    known = ("where is my",) if kind == "small" and not keep else ("where is my", "my is where is")
    assert torch.allclose(features(other, new, known), features(backbone, old, known), atol=1e-6)
    before, after = set(backbone.vocabulary), set(other.vocabulary)
    assert "zeppelin" in after - before
    assert (before <= after) is keep
    apart = features(other, new, ("zeppelin", "card" if keep else "is"))
    assert (apart[0] - apart[1]).abs().max() > 1e-3
    assert torch.equal(features(backbone, old, ("zeppelin",)), features(backbone, old, ("dirigible",)))


def test_words_that_are_added_are_one_token(tmp_path):
    backbone = Hf(arch=str(pretrained(tmp_path))).suited(examples(OLD)).respelled(examples(NEW), keep=True)
    assert set(backbone.added) == {"zeppelin", *"银行卡丢了"}
    (ids,) = backbone.preprocess.tokenize(["my zeppelin"])
    assert load(backbone.arch, backbone.added).convert_ids_to_tokens(ids) == ["my", "zeppelin"]
    assert load(backbone.arch).convert_ids_to_tokens(load(backbone.arch)("zeppelin")["input_ids"]) == ["[UNK]"]
    kept = backbone.keep(tmp_path / "saved").found(tmp_path / "saved")
    assert kept.preprocess.tokenize(NEW) == backbone.preprocess.tokenize(NEW)
    assert [p.shape for p in kept.build(False).parameters()] == [p.shape for p in backbone.build().parameters()]


def test_a_tokenizer_that_was_extended_has_more_tokens_than_its_network(tmp_path):
    plain = Hf(arch=str(pretrained(tmp_path / "plain"))).suited(examples(OLD))
    more = Hf(arch=str(pretrained(tmp_path / "more", ("zeppelin", "dirigible")))).suited(examples(OLD))
    one, two = plain.build(), more.build()
    assert torch.equal(features(plain, one, OLD), features(more, two, OLD))
    weight = next(m.weight for m in two.modules() if isinstance(m, nn.Embedding)).detach()
    assert len(more.vocabulary) == len(plain.vocabulary) + 2
    assert len(weight) == len(more.vocabulary)
    assert float(weight[-2:].std()) == pytest.approx(float(weight[:-2].std()), rel=0.5)
    assert more.described.endswith("; 2 tokens have new rows")
    assert replace(more, added=("airship",)).described.endswith("; 3 tokens have new rows")
