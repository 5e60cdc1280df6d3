"""Pixels against slow references."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from regraft.core.errors import UserError
from regraft.data.images import decode, native_size


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def photo(width: int, height: int) -> Image.Image:
    """Smooth with some edges, like a photograph."""
    y, x = np.mgrid[:height, :width]
    channels = (np.sin(x / 97) + np.cos(y / 61), np.sin((x + y) / 143), np.cos(x / 211) * np.sin(y / 83))
    picture = Image.fromarray(np.stack([(c + 2) * 60 for c in channels], axis=-1).astype(np.uint8))
    ImageDraw.Draw(picture).rectangle((width // 4, height // 3, width // 2, height // 2), "white", "black", 9)
    return picture


def triangle(length: int, size: int, short: int) -> np.ndarray:
    """Weights (size, length) of an antialiased bilinear resize of the centred ``short`` pixels, by the definition."""
    scale = short / size
    centres = (length - short) / 2 + (np.arange(size) + 0.5) * scale
    distance = np.abs(np.arange(length) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.clip(1 - distance, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def reference(pixels: np.ndarray, size: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    rows, columns = (triangle(length, size, min(height, width)) for length in (height, width))
    return columns @ np.tensordot(rows, pixels.astype(float), 1)


@pytest.mark.parametrize(("height", "width"), [(60, 60), (61, 90), (90, 50), (20, 31), (200, 150)])
def test_decode_equals_the_filter_by_its_definition(tmp_path: Path, height: int, width: int) -> None:
    pixels = noise(height, width)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (result,) = decode([tmp_path / "a.png"], 32)
    assert result.shape == (32, 32, 3)
    assert result.dtype == np.uint8
    assert np.abs(result - reference(pixels, 32)).max() <= 1.0  # Pillow rounds after each of its two passes


def test_decode_equals_resize_then_crop_by_pillow(tmp_path: Path) -> None:
    Image.fromarray(noise(96, 128)).save(tmp_path / "a.png")
    slow = (
        Image.open(tmp_path / "a.png").convert("RGB").resize((64, 48), Image.Resampling.BILINEAR).crop((8, 0, 56, 48))
    )
    np.testing.assert_array_equal(decode([tmp_path / "a.png"], 48)[0], np.asarray(slow))


def test_a_picture_of_the_right_size_is_not_touched(tmp_path: Path) -> None:
    Image.fromarray(noise(40, 40)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode([tmp_path / "a.png"], 40)[0], noise(40, 40))


@pytest.mark.parametrize("size", [(1601, 1203), (1200, 1600), (640, 480)])
def test_reduced_decoding_of_large_jpegs_is_close_to_full(tmp_path: Path, size: tuple[int, int]) -> None:
    photo(*size).save(tmp_path / "a.jpg", quality=95)
    whole = np.asarray(Image.open(tmp_path / "a.jpg"))
    difference = np.abs(decode([tmp_path / "a.jpg"], 64)[0] - reference(whole, 64))
    assert difference.mean() < 1.0
    assert np.quantile(difference, 0.99) < 6


def test_the_order_is_that_of_the_paths(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(100)]
    for i, path in enumerate(paths):
        Image.new("RGB", (8, 8), (i, 2 * i, 255 - i)).save(path)
    pixels = decode(paths[::-1], 4)
    np.testing.assert_array_equal(pixels[:, 0, 0, 0], np.arange(100)[::-1])
    assert decode([], 4).shape == (0, 4, 4, 3)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_16_bits_are_scaled(tmp_path: Path, ending: str) -> None:
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    pixels = decode([tmp_path / f"a.{ending}"], 16)[0]
    for channel in range(3):
        np.testing.assert_array_equal(pixels[..., channel].ravel(), np.arange(256))


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floating_point_grey_is_scaled(tmp_path: Path, white: float) -> None:
    values = (np.linspace(0, 1, 256, dtype=np.float32) * np.float32(white)).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_allclose(decode([tmp_path / "a.tif"], 16)[0, ..., 0].ravel(), np.arange(256), atol=1)


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    half.paste((0, 0, 0, 0), (0, 0, 4, 8))
    half.putpixel((7, 7), (0, 0, 0, 128))
    half.save(tmp_path / "rgba.png")
    half.convert("LA").save(tmp_path / "la.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.paste(0, (0, 0, 4, 8))
    palette.save(tmp_path / "p.png", transparency=0)
    palette.save(tmp_path / "bytes.png", transparency=b"\x00\xff")
    names = ("rgba.png", "la.png", "p.png", "bytes.png")
    rgba, la, p, several = decode([tmp_path / name for name in names], 8)
    for pixels in (rgba, p, several):
        assert (pixels[:7, :4] == 255).all()
        assert (pixels[:7, 4:] == (255, 0, 0)).all()
    assert (la[:, :4] == 255).all()
    assert (la[0, 7] == 76).all()  # the luma of red
    assert abs(int(rgba[7, 7, 0]) - 127) <= 1


def test_cmyk_grey_and_two_levels(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    Image.new("L", (16, 16), 77).save(tmp_path / "grey.png")
    Image.new("1", (16, 16), 1).save(tmp_path / "two.png")
    red, grey, two = decode([tmp_path / name for name in ("cmyk.jpg", "grey.png", "two.png")], 16)
    assert np.abs(red.astype(int) - (255, 0, 0)).max() <= 3
    assert (grey == 77).all()
    assert (two == 255).all()


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_the_first_frame_of_several(tmp_path: Path, ending: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    path = tmp_path / f"a.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, lossless=True)
    assert np.abs(decode([path], 16)[0].astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, ending: str, orientation: int) -> None:
    """The stored picture is made from the upright one by where row 0 and column 0 lie (EXIF 2.3, tag 0x0112)."""
    upright = np.full((30, 48, 3), 128, np.uint8)
    upright[:15, :24], upright[:15, 24:], upright[15:, :24] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    turned = upright if orientation < 5 else upright.transpose(1, 0, 2)
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    if orientation >= 5:  # row 0 of the file is a side of the picture: right for 6 and 7, left for 5 and 8
        rows, columns = (-1 if orientation in (6, 7) else 1), (-1 if orientation in (7, 8) else 1)
    stored = turned[::rows, ::columns]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{ending}", exif=exif)
    pixels = decode([tmp_path / f"a.{ending}"], 30)[0].astype(int)
    for corner, colour in (((4, 4), (255, 0, 0)), ((4, 25), (0, 255, 0)), ((25, 4), (0, 0, 255))):
        assert np.abs(pixels[corner] - colour).max() < 12


def test_a_picture_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the picture .*gone.jpg cannot be read"):
        decode([tmp_path / "gone.jpg"], 8)
    with pytest.raises(UserError, match=r"gone.jpg"):
        native_size([tmp_path / "gone.jpg"])


def test_native_size_is_the_median_short_side(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, size in zip(paths, [(10, 90), (90, 20), (30, 30), (40, 300), (900, 500)], strict=True):
        Image.new("L", size).save(path)
    assert native_size(paths) == 30
