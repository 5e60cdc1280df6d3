"""Pictures to pixels: decoded in threads, cut square."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.examples import PICTURES

_HEADERS = 200  # pictures whose size is looked at: enough for a median
_UPRIGHT = {  # the EXIF orientation and what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TOPS = {"I": (65535.0,), "F": (1.0, 255.0, 65535.0)}  # values that may stand for white in modes that do not say


def decode(paths: Sequence[Path], size: int, resample: str = "bilinear", share: float = 1.0) -> np.ndarray:
    """Pictures as RGB, their centre square resized to ``size`` pixels (antialiased): ``share`` of the short side.

    Upright by their EXIF orientation, 16 bits scaled to 8, transparent parts on white, the first frame of several. A
    JPEG more than four times larger is first reduced by its decoder, to no less than twice ``size``.

    Returns:
        (N, size, size, 3) uint8, in the order of ``paths``.

    Raises:
        UserError: a picture cannot be read; readers list such pictures as skipped, so it changed since.
    """
    pixels = np.empty((len(paths), size, size, 3), dtype=np.uint8)

    def fill(i: int) -> None:
        pixels[i] = _square(paths[i], size, resample, share)

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of sizes that are still fine
        for _ in pool.map(fill, range(len(paths))):  # Pillow decodes and resizes without the interpreter lock
            pass
    return pixels


def native_size(paths: Sequence[Path]) -> int:
    """The median short side in pixels, from the headers of at most 200 pictures spread over ``paths``.

    Raises:
        UserError: a picture cannot be read.
        ValueError: there are no pictures.
    """
    if not paths:
        raise ValueError("no pictures to measure")
    chosen = np.unique(np.linspace(0, len(paths) - 1, _HEADERS).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(np.median([_short_side(paths[i]) for i in chosen]))


def _square(path: Path, size: int, resample: str, share: float) -> np.ndarray:
    """One picture: (size, size, 3) uint8."""
    try:
        with Image.open(path, formats=PICTURES) as picture:
            drafted = picture.draft("RGB", (2 * size, 2 * size))
            picture.load()
            turn = _UPRIGHT.get(_orientation(picture))
            whole = _rgb(picture)
    except Exception as error:  # on damaged files Pillow raises nearly anything: SyntaxError, struct.error, ...
        raise _unreadable(path, error) from error
    # A reduced JPEG may end inside its last pixel; the box says where.
    width, height = drafted[1][2:] if drafted else whole.size
    short = min(width, height) * share
    left, top = (width - short) / 2, (height - short) / 2
    square = whole.resize((size, size), Image.Resampling[resample.upper()], (left, top, left + short, top + short))
    return np.asarray(square if turn is None else square.transpose(turn))


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode[0] in "IF":
        picture = _eight_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Wider grey values scaled to 8 bits; Pillow's own conversion cuts them off at 255."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float32), nan=0.0)
    peak = float(values.max())
    white = next((top for top in _TOPS.get(picture.mode, (65535.0,)) if peak <= top), peak)
    return Image.fromarray(np.rint(values * (255 / white)).clip(0, 255).astype(np.uint8))


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block says nothing, but the picture is fine
        return 1


def _short_side(path: Path) -> int:
    try:
        with Image.open(path, formats=PICTURES) as picture:
            return min(picture.size)
    except Exception as error:  # as in _square
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"the picture {path} cannot be read ({error or type(error).__name__}); restore it or remove it")
