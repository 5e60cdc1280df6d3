"""Write the data of several_digits.yaml: pictures of up to three digits in four places, labelled with what is there.

    python examples/several_digits.py data/several

``handwritten`` is drawn with scikit-learn's digits, ``printed`` with those of Matplotlib's fonts: no picture is shared.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from regraft.data.embedded import Pictures, make


def write(folder: Path, digits: Pictures, count: int, seed: int) -> Path:
    """Write ``count`` pictures of 16 x 16 pixels and their table to ``folder``; the path of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(seed), []
    for number in range(count):
        page = rng.integers(0, 32, (2, 2, 8, 8), np.uint8)  # paper is never quite black, so no two pages are equal
        chosen = rng.integers(0, len(digits.labels), rng.integers(0, 4))
        for (row, column), one in zip(rng.permutation([(0, 0), (0, 1), (1, 0), (1, 1)]), chosen, strict=False):
            page[row, column] = np.maximum(page[row, column], digits.pixels[one])
        Image.fromarray(page.swapaxes(1, 2).reshape(16, 16)).save(folder / f"{number:04d}.png")
        rows.append([f"{number:04d}.png", "|".join(sorted(set(digits.labels[chosen])))])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows])
    return folder / "labels.csv"


def main(root: Path) -> None:
    """Write both sets below ``root``."""
    made = make()
    write(root / "handwritten", made["handwriting"], 1000, 0)
    write(root / "printed", made["printed_digits"], 4000, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
