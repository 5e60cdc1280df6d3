"""Pictures of many channels, in NumPy arrays and TIFF files."""

import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.channels import channels_of, planes
from regraft.data.images import decode, native_size
from regraft.preprocessing.images import Images
from regraft.readers._base import read


def values(channels: int, seed: int = 0, height: int = 20, width: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("channels", [2, 5, 13])
def test_each_channel_is_decoded_as_a_grey_picture_would_be(channels, first, tmp_path):
    array = values(channels)
    file = saved(tmp_path / "a.npy", np.moveaxis(array, 2, 0) if first else array)
    found = decode([file], 16, channels)[0]
    assert found.shape == (16, 16, channels)
    for place in range(channels):
        Image.fromarray(array[..., place]).save(tmp_path / "one.png")
        assert np.array_equal(found[..., place], decode([tmp_path / "one.png"], 16, 1)[0, ..., 0])
    assert channels_of([file]) == channels
    assert native_size([file]) == 20


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_arrays_for_the_eye_are_pictures(channels, tmp_path):
    array = values(channels) if channels else values(1)[..., 0]
    file = saved(tmp_path / "a.npy", array)
    Image.fromarray(array.squeeze()).save(tmp_path / "a.png")
    assert channels_of([file]) == 3
    assert np.array_equal(decode([file], 16), decode([tmp_path / "a.png"], 16))


@pytest.mark.parametrize(("kind", "top"), [("uint16", 65535), ("float32", 1.0), ("float64", 255.0)])
def test_values_are_scaled_to_eight_bits(kind, top, tmp_path):
    wide = values(5).astype(np.float64) / 255 * top
    wide[0, 0] = top
    found = planes(saved(tmp_path / "a.npy", np.rint(wide).astype(kind) if kind == "uint16" else wide.astype(kind)))
    assert found is not None
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int)[1:] - values(5).astype(int)[1:]).max() <= 1


def test_one_number_of_channels_is_wanted(tmp_path):
    one, other = saved(tmp_path / "a.npy", values(5)), saved(tmp_path / "b.npy", values(6))
    with pytest.raises(UserError, match=r"has 5 channels and .*b\.npy has 6"):
        channels_of([one, other])
    with pytest.raises(UserError, match=r"a\.npy has 5 channels, but 3 are wanted"):
        decode([one], 8)
    Image.new("RGB", (9, 9)).save(tmp_path / "c.png")
    with pytest.raises(UserError, match=r"c\.png has 3 channels, but 5 are wanted"):
        decode([tmp_path / "c.png"], 8, 5)


def test_arrays_that_are_no_pictures_are_skipped_and_none_runs_code(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(2):
            saved(tmp_path / name / f"{i}.npy", values(5, i))
    saved(tmp_path / "a" / "vector.npy", np.zeros(7))
    saved(tmp_path / "a" / "words.npy", np.array([["a", "b"]]))
    np.save(tmp_path / "a" / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "a" / "half.npy").write_bytes((tmp_path / "a" / "0.npy").read_bytes()[:200])
    found = read(tmp_path)
    assert len(found) == 4
    assert {s.path.name for s in found.skipped} == {"vector.npy", "words.npy", "objects.npy", "half.npy"}


def test_normalisation_is_repeated_over_the_channels(tmp_path):
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    pixels = decode([saved(tmp_path / "a.npy", values(5))], 8, 5)
    found = Images(size=8, mean=mean, std=std, channels=5).tensor(pixels).numpy()
    assert found.shape == (1, 5, 8, 8)
    for place in range(5):
        wanted = (pixels[0, ..., place] / 255 - mean[place % 3]) / std[place % 3]
        assert np.allclose(found[0, place], wanted, atol=1e-5)
    grey = Images(size=8, mean=mean, std=std, channels=1).tensor(pixels[..., :1]).numpy()
    assert np.allclose(grey[0, 0], (pixels[0, ..., 0] / 255 - 0.2) / 0.6, atol=1e-5)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_files_of_many_channels(planar, tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="needs the extra 'tiff'")
    array = values(5)
    given = array if planar == "contig" else np.moveaxis(array, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="minisblack", planarconfig=planar)
    found = planes(tmp_path / "a.tif")
    assert found is not None
    assert np.array_equal(found, array)
    assert channels_of([tmp_path / "a.tif"]) == 5


def test_ordinary_tiff_files_stay_with_pillow(tmp_path):
    for mode in ("L", "RGB", "RGBA", "I;16"):
        Image.new(mode, (9, 9)).save(tmp_path / "a.tif")
        assert planes(tmp_path / "a.tif") is None


@pytest.mark.skipif(find_spec("tifffile") is not None, reason="the extra 'tiff' is installed")
def test_without_the_extra_it_is_named(tmp_path):
    bits, channels = (258, 3, 1, 8), (277, 3, 1, 5)  # tag, type, count, value
    directory = struct.pack("<HHHIIHHIII", 2, *bits, *channels, 0)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + directory)
    with pytest.raises(UserError, match="need the extra 'tiff'"):
        planes(tmp_path / "a.tif")
