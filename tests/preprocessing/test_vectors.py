"""Vectors of features: standardised as in training, and refused where they are others."""

from pathlib import Path

import numpy as np
import pytest
import torch

from regraft.backbones.small import Small
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.data.examples import Examples, together
from regraft.data.members import Member
from regraft.preprocessing.vectors import Vectors, measured


def examples(values: np.ndarray) -> Examples:
    items = tuple(Member(Path("x.npz"), i + 1, row.astype(np.float32)) for i, row in enumerate(values))
    return Examples(tuple(map(str, range(len(items)))), tuple(i.digest for i in items), items, None, (), kind="vector")


VALUES = np.random.default_rng(0).normal(3, 2, (40, 6))
VALUES[:, 4] = 7.0


def test_numbers_are_standardised_by_training() -> None:
    form = measured(examples(VALUES).items)
    arrays = form.decode(examples(VALUES).items)
    assert arrays.dtype == form.dtype
    assert arrays.shape == (40, *form.shape)
    deviation = np.where(VALUES.std(0) > 0, VALUES.std(0), 1)
    assert np.allclose(arrays, (VALUES - VALUES.mean(0)) / deviation, atol=1e-5)
    assert np.array_equal(form.decode(examples(VALUES[3:5]).items), arrays[3:5])
    assert form.decode([]).shape == (0, 6)
    assert np.abs(form.decode(examples(1e6 * VALUES).items)).max() == 10  # one typing error must not drown all else
    x = form.tensor(arrays[:3])
    assert (x.dtype, x.shape) == (torch.float32, form.sample(3).shape)
    assert form.key != measured(examples(VALUES[:20]).items).key


def test_other_lengths_are_refused() -> None:
    form = measured(examples(VALUES).items)
    with pytest.raises(
        UserError, match=r"x.npz#1 is a vector of 5 numbers, but .* have 6; give vectors of the same feat"
    ):
        form.decode(examples(VALUES[:, :5]).items)
    with pytest.raises(UserError, match=r"x.npz#1 is a vector of 5 numbers"):
        measured(together(examples(VALUES), examples(VALUES[:, :5])).items)


def test_the_small_network_takes_vectors_and_is_kept_with_what_it_measured() -> None:
    suited = Small().suited(examples(VALUES))
    assert suited.arch == "mlp"
    assert isinstance(suited.preprocess, Vectors)
    assert suited.described == "6 numbers"
    assert suited.build()(suited.preprocess.sample(3)).shape == (3, 128)
    assert entry("backbones", to_plain(suited)) == suited
