"""Text to token numbers: what a vocabulary learns, where a text is cut, and that nothing depends on chance."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from regraft.core.config import entry, to_plain
from regraft.data.dataset import whole
from regraft.data.examples import Examples
from regraft.features import forward
from regraft.preprocessing._text import PAD, fitting
from regraft.preprocessing.subwords import LONGEST, UNKNOWN, Subwords, learned
from regraft.runtime import Runtime

TEXTS = ["the cat sat on the mat", "the dog sat", "a cat and a dog", "我的银行卡丢了", "银行卡在哪里", "我的钱"] * 2


@pytest.fixture(scope="module")
def words() -> Subwords:
    return Subwords(vocabulary=learned(TEXTS), length=8)


def test_the_vocabulary_does_not_depend_on_the_order_of_the_texts() -> None:
    assert learned(TEXTS) == learned(TEXTS[::-1])
    assert learned(TEXTS)[0] == UNKNOWN
    assert {"cat", "the", "sat", "我"} <= set(learned(TEXTS))


def test_numbers_are_places_in_the_vocabulary(words: Subwords) -> None:
    (found,) = words.tokenize(["The CAT"])
    assert [words.vocabulary[i] for i in found] == ["the", "cat"]


def test_chinese_characters_stand_alone(words: Subwords) -> None:
    (found,) = words.tokenize(["我的卡"])
    assert [words.vocabulary[i] for i in found] == ["我", "的", "卡"]


def test_what_is_unknown_is_the_first(words: Subwords) -> None:
    assert words.tokenize(["☃", ""]) == [[0], [0]]


def test_texts_are_cut_and_filled_up(words: Subwords) -> None:
    found = words.decode(["the cat sat on the mat and a dog sat on the mat", "a dog"])
    assert found.shape == (2, 8)
    assert found.dtype == np.int32
    assert (found[0] != PAD).all()
    assert (found[1] != PAD).sum() == 2
    assert words.tensor(found[1:]).shape == (1, 2)
    assert words.tensor(found).dtype == torch.int64


def test_other_words_have_another_key(words: Subwords) -> None:
    assert words.key != Subwords(vocabulary=words.vocabulary[:-1], length=8).key
    assert words.key != Subwords(vocabulary=words.vocabulary, length=16).key


def test_options_round_trip(words: Subwords) -> None:
    assert entry("preprocessing", to_plain(words)) == words


@pytest.mark.parametrize(
    ("lengths", "most", "fits"), [([3] * 99 + [500], 128, 8), ([9] * 10, 128, 16), ([300], 128, 128)]
)
def test_the_length_that_nearly_all_fit_into(lengths: list[int], most: int, fits: int) -> None:
    assert fitting(lengths, most) == fits


def test_texts_of_like_length_are_forwarded_together_and_come_back_in_order(words: Subwords) -> None:
    arrays = words.decode(["the cat sat on the mat", "a", "a dog sat"])
    assert words.order(arrays, np.arange(3)).tolist() == [1, 2, 0]
    ids = ("0", "1", "2")
    dataset = whole(Examples(ids, ids, ids, None, (), kind="text"), arrays)
    seen = forward(Lengths(), dataset, words, Runtime())
    assert seen.ravel().tolist() == [6, 1, 3]


class Lengths(nn.Module):
    """A network that counts tokens."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return (tokens != PAD).sum(1, keepdim=True).float()


def test_the_end_of_a_very_long_text_changes_nothing(words: Subwords) -> None:
    long = "the cat sat " * (LONGEST // 12 + 1)
    assert learned([*TEXTS, long]) == learned([*TEXTS, long[:LONGEST] + "zebra " * 100])
    assert np.array_equal(words.decode([long]), words.decode([long[:LONGEST]]))


def test_the_same_texts_give_the_same_subwords():
    """Ties between pairs of equally many letters are many here; a hash that differs from call to call decided them."""
    draw = random.Random(0)
    texts = ["".join(draw.choice("abcdefgh") for _ in range(6)) for _ in range(60)] * 2
    assert len({learned(texts, size=60) for _ in range(6)}) == 1
    assert learned(texts[::-1], size=60) == learned(texts, size=60)
