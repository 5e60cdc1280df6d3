"""Laws of preprocessing: what is decoded has the shape that was said, and becomes inputs like the samples."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regraft.augment import Augment
from regraft.core.errors import UserError
from regraft.data.decoding import decoded
from regraft.data.examples import Examples
from regraft.preprocessing._base import Preprocess
from regraft.preprocessing.images import Images
from regraft.preprocessing.waveform import Waveform

FORMS = [
    Images(size=8),
    Images(size=12, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)),
    Waveform(rate=8000, seconds=0.1),
    Waveform(rate=16000, seconds=0.2),
]


def files(folder: Path, form: Preprocess) -> Examples:
    """Three examples, of which no two are equal."""
    paths = []
    for i in range(3):
        rng = np.random.default_rng(i)
        if form.kind == "audio":
            soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is missing")
            paths.append(folder / f"{i}.wav")
            soundfile.write(paths[-1], rng.uniform(-0.5, 0.5, 2000 + 500 * i), 11025)
        else:
            paths.append(folder / f"{i}.png")
            Image.fromarray(rng.integers(0, 255, (20 + i, 30, 3), dtype=np.uint8)).save(paths[-1])
    ids = tuple(p.name for p in paths)
    return Examples(ids, ids, tuple(paths), None, (), kind=form.kind)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.key)
def test_arrays_are_as_they_were_said_to_be_and_each_is_its_own_examples(form, tmp_path):
    examples = files(tmp_path, form)
    arrays = form.decode(examples.items)
    assert arrays.shape == (3, *form.shape)
    assert arrays.dtype == form.dtype
    for i in range(3):
        assert np.array_equal(form.decode(examples.items[i : i + 1])[0], arrays[i])
    assert not np.array_equal(arrays[0], arrays[1])
    assert form.decode([]).shape == (0, *form.shape)
    remembered = [decoded(examples, form, tmp_path / "cache") for _ in range(2)]
    assert all(np.array_equal(r, arrays) for r in remembered)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.key)
def test_inputs_are_like_the_samples_and_do_not_depend_on_the_batch(form, tmp_path):
    arrays = form.decode(files(tmp_path, form).items)
    x, sample = form.tensor(arrays), form.sample(3)
    assert x.dtype == sample.dtype == torch.float32
    assert x.shape == sample.shape
    assert torch.equal(form.tensor(arrays[1:2])[0], x[1])
    assert torch.equal(form.sample(3), sample)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.key)
def test_varying_follows_the_draws_alone_and_leaves_the_arrays_as_they_are(form, tmp_path):
    arrays = form.decode(files(tmp_path, form).items)
    kept, augment = arrays.copy(), Augment()
    still = form.tensor(arrays, augment, torch.zeros(3, 9))
    assert torch.allclose(still, form.tensor(arrays), atol=1e-4)
    draws = augment.draw(3, 0, "train")
    one, two = form.tensor(arrays, augment, draws), form.tensor(arrays, augment, draws)
    assert torch.equal(one, two)
    assert torch.equal(form.tensor(arrays[2:], augment, draws[2:])[0], one[2])
    assert not torch.allclose(one, still, atol=1e-2)
    assert np.array_equal(arrays, kept)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.key)
def test_the_key_tells_different_arrays_apart(form):
    other = replace(form, size=9) if isinstance(form, Images) else replace(form, seconds=0.3)
    assert form.key != other.key
    assert form.key == replace(form).key


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.key)
def test_a_file_that_changed_since_it_was_read_is_an_error(form, tmp_path):
    examples = files(tmp_path, form)
    examples.items[1].write_bytes(b"something else")
    with pytest.raises(UserError, match=rf"{examples.items[1].name} cannot be read .*; restore it or remove it"):
        form.decode(examples.items)
