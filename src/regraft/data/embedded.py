"""The data that the demo and the tests use, made at run time: nothing is downloaded and nothing is shipped.

Two domains of the same ten classes, and sources that are of more, less and no use:

======================  ===========================================================================================
``handwriting``         1,797 scanned handwritten digits, from scikit-learn: the target
``printed_digits``      digits of the text fonts that Matplotlib bundles, distorted: the useful source
``printed_letters``     capital letters of the same fonts: related, other classes
``shuffled_digits``     the printed digits under shuffled labels: a useless source
``moved_digits``        the printed digits, every label moved on by one (0 becomes 1, 9 becomes 0): a harmful source
======================  ===========================================================================================

Handwriting was scanned, scaled to its bounding box in 32 x 32 black and white pixels and reduced to 8 x 8 by counting
each 4 x 4 block (E. Alpaydin and C. Kaynak, UCI repository, 1998). Printed characters go the same way.
"""

import json
import os
import shutil
import string
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from regraft.core.seeding import derive

NAMES = ("handwriting", "printed_digits", "printed_letters", "shuffled_digits", "moved_digits")
"""The folders, in the order in which ``write`` returns them."""
VERSION = 1
"""Raised when the pictures change, so that folders written by an older version are written anew."""
_MARKER = ".embedded.json"
_GLYPH_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", *string.ascii_uppercase)
_EM = 72  # pixels: glyphs are over twice as tall as the grid that they are counted on, so no stroke breaks up
_STROKES = (0, 1, 2)  # pixels added on each side of a stroke of about 7, which comes near the width of a pen


@dataclass(frozen=True)
class Pictures:
    """Grey pictures (N, 8, 8) of 8 bits, their labels (N,) as class names, and unique stems (N,) for their files."""

    pixels: np.ndarray
    labels: np.ndarray
    stems: tuple[str, ...]

    def relabelled(self, labels: np.ndarray) -> "Pictures":
        """The same pictures under other labels."""
        return Pictures(self.pixels, labels, self.stems)


def write(root: Path, per_class: int = 200) -> dict[str, Path]:
    """Write the five image folders, one folder per class, below ``root``; where that is done already, do nothing.

    Every byte is a function of ``per_class`` (printed pictures in a class) and of the versions of the libraries. A
    folder appears whole or not at all, and a write that was interrupted is done anew.

    Returns:
        Name and path of each folder.
    """
    root = Path(root)
    paths = {name: root / name for name in NAMES}
    marker, wanted = root / _MARKER, json.dumps({"version": VERSION, "per_class": per_class})
    if _read(marker) == wanted:
        return paths
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".writing-") as folder:
        made = Path(folder)
        for name, pictures in make(per_class).items():
            _write_pictures(made / name, pictures)
        (made / _MARKER).write_text(wanted)
        if _read(marker) != wanted:  # else another process was faster: its bytes are the same and may be in use
            _install(made, paths, marker)
    return paths


def make(per_class: int = 200) -> dict[str, Pictures]:
    """The five domains as arrays, by name."""
    digits = printed(string.digits, per_class)
    shuffled = np.random.default_rng(derive(0, "embedded", "shuffled")).permutation(digits.labels)
    moved = np.array([str((int(label) + 1) % 10) for label in digits.labels])
    return {
        "handwriting": handwriting(),
        "printed_digits": digits,
        "printed_letters": printed(string.ascii_uppercase, per_class),
        "shuffled_digits": digits.relabelled(shuffled),
        "moved_digits": digits.relabelled(moved),
    }


def handwriting() -> Pictures:
    """The scanned digits of scikit-learn."""
    data = load_digits()
    stems = tuple(f"{i:04d}" for i in range(len(data.target)))
    return Pictures(_to_grey(data.images), data.target.astype(str), stems)


def printed(characters: Iterable[str], per_class: int) -> Pictures:
    """``per_class`` distorted pictures of each of the characters (digits and capitals), the fonts taking turns."""
    fonts = text_fonts()
    pixels, labels, stems = [], [], []
    for character in characters:
        rng = np.random.default_rng(derive(0, "embedded", character))
        for i in range(per_class):
            font = fonts[i % len(fonts)]
            points = _ink(font, character, _STROKES[rng.integers(len(_STROKES))])
            pixels.append(_count(_distort(points, rng), rng))
            labels.append(character)
            stems.append(f"{character}{i:04d}-{font.stem}")
    return Pictures(np.stack(pixels), np.array(labels), tuple(stems))


@cache
def text_fonts() -> tuple[Path, ...]:
    """The bundled fonts that draw every digit and capital as itself; symbol and placeholder fonts do not."""
    folder = Path(findfont(FontProperties(family="DejaVu Sans"), fallback_to_default=False)).parent
    return tuple(path for path in sorted(folder.glob("*.ttf")) if _draws_text(path))


def _draws_text(path: Path) -> bool:
    font = FT2Font(str(path))
    codes = font.get_charmap()
    characters = string.digits + string.ascii_uppercase
    return all(
        ord(character) in codes and font.get_glyph_name(codes[ord(character)]) == name
        for character, name in zip(characters, _GLYPH_NAMES, strict=True)
    )


@cache
def _ink(font: Path, character: str, stroke: int) -> np.ndarray:
    """Where a glyph is black: points (N, 2) as (x, y), centred, its height 1."""
    face = ImageFont.truetype(str(font), _EM, layout_engine=ImageFont.Layout.BASIC)
    canvas = Image.new("L", (2 * _EM, 2 * _EM))
    ImageDraw.Draw(canvas).text((_EM, _EM), character, 255, face, anchor="mm", stroke_width=stroke)
    y, x = np.nonzero(np.asarray(canvas) > 127)
    height = y.max() - y.min() + 1
    return np.stack([x - x.mean(), y - y.mean()], 1) / height


def _distort(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slant, rotate and stretch, and bend the strokes a little, as a hand would."""
    slant, angle, stretch = rng.normal(0, 0.15), rng.normal(0, 0.12), np.exp(rng.normal(-0.1, 0.2))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch, slant], [0.0, 1.0]])
    points = points @ matrix.T
    phase, rate, size = rng.uniform(0, 2 * np.pi, 4), rng.uniform(3, 8, 4), rng.normal(0, 0.03, 4)
    x, y = points.T
    bend_x = size[0] * np.sin(rate[0] * y + phase[0]) + size[1] * np.sin(rate[1] * x + phase[1])
    bend_y = size[2] * np.sin(rate[2] * x + phase[2]) + size[3] * np.sin(rate[3] * y + phase[3])
    return points + np.stack([bend_x, bend_y], 1)


def _count(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale to the bounding box in 32 x 32 black and white pixels, count 4 x 4 blocks, add noise: (8, 8) grey."""
    low, high = points.min(0), points.max(0)
    width, height = high - low
    scale = np.array([min(31.99 / height, 27.0 / width), 31.99 / height])
    cells = (16 + (points - (low + high) / 2) * scale).astype(int)
    grid = np.zeros((32, 32))
    grid[cells[:, 1], cells[:, 0]] = 1
    counts = grid.reshape(8, 4, 8, 4).sum((1, 3))
    return _to_grey(counts + rng.normal(0, 1.0, (8, 8)) * (counts > 0))


def _to_grey(counts: np.ndarray) -> np.ndarray:
    """Counts of 0 to 16 black pixels in a block, as 8-bit grey."""
    return np.round(np.clip(counts, 0, 16) * (255 / 16)).astype(np.uint8)


def _write_pictures(folder: Path, pictures: Pictures) -> None:
    for label in np.unique(pictures.labels):
        (folder / str(label)).mkdir(parents=True)
    for pixels, label, stem in zip(pictures.pixels, pictures.labels, pictures.stems, strict=True):
        Image.fromarray(pixels).save(folder / str(label) / f"{stem}.png", compress_level=1)


def _install(made: Path, paths: Mapping[str, Path], marker: Path) -> None:
    """Move finished folders into place, the marker last: while it is missing, the folders do not count."""
    marker.unlink(missing_ok=True)
    for name, path in paths.items():
        if path.exists():
            shutil.rmtree(path)
        os.replace(made / name, path)
    os.replace(made / _MARKER, marker)


def _read(marker: Path) -> str | None:
    return marker.read_text() if marker.is_file() else None
