"""Where the examples of the suite come from: the embedded data, and folders of real data beside the project."""

import csv
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import loadmat

from regraft.data import embedded

HEART = ("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal")
WINE = ("fixed_acidity", "volatile_acidity", "citric_acid", "residual_sugar", "chlorides", "free_sulfur_dioxide",
        "total_sulfur_dioxide", "density", "ph", "sulphates", "alcohol")  # fmt: skip
UNCLEAR = "unclear-licence"


@dataclass(frozen=True)
class Rows:
    """Examples ``x`` (N, ...) with labels ``y`` (N,): arrays, or rows of a table under the names of its ``columns``."""

    x: np.ndarray
    y: np.ndarray
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: np.ndarray) -> "Rows":
        return Rows(self.x[index], self.y[index], self.columns)

    def labelled(self, y: np.ndarray) -> "Rows":
        return Rows(self.x, y, self.columns)

    def contents(self) -> list[bytes | str]:
        """What tells examples apart, whatever their labels; of texts their words, whatever the spaces."""
        if self.columns == ("text",):
            return ["".join(c for c in str(row[0]).lower() if c.isalnum()) for row in self.x]
        return [repr(row.tolist()) if self.columns else row.tobytes() for row in self.x]

    def write(self, path: Path) -> Path:
        """A file that ``regraft`` reads: CSV of a table, else arrays; its path."""
        if not self.columns:
            np.savez(path.with_suffix(".npz"), x=self.x, y=self.y)
            return path.with_suffix(".npz")
        with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([(*self.columns, "label"), *((*x, y) for x, y in zip(self.x, self.y))])  # noqa: B905
        return path.with_suffix(".csv")


def rows_of(name: str, data: Path) -> Rows:
    """The domain ``name``, or ``name~wrong`` or ``name~shuffled``."""
    name, _, change = name.partition("~")
    rows = DOMAINS[name](data)
    return rows.labelled(_CHANGES[change](rows.y)) if change else rows


def _moved(y: np.ndarray) -> np.ndarray:
    if y.dtype.kind == "f":
        return y.max() + y.min() - y
    names, index = np.unique(y, return_inverse=True)
    return names[(index + 1) % len(names)]


_CHANGES = {"wrong": _moved, "shuffled": lambda y: np.random.default_rng(0).permutation(y)}


_made = cache(embedded.make)  # drawing takes seconds


def _embedded(name: str, _: Path) -> Rows:
    made = _made()[name]
    return Rows(made.pixels, made.labels)


def _mnist(data: Path) -> Rows:
    """The test digits: 10,000 are enough for targets and sources."""
    folder = data / "mnist"
    x, y = (gzip.decompress((folder / f"t10k-{n}-ubyte.gz").read_bytes()) for n in ("images-idx3", "labels-idx1"))
    pixels = np.frombuffer(x, np.uint8, offset=16).reshape(-1, 28, 28)
    return Rows(pixels, np.frombuffer(y, np.uint8, offset=8).astype(str))


def _pair(file: str, part: str, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """One domain of a pair: its rows (N, D), and classes from 1."""
    with h5py.File(data / UNCLEAR / "digits_coil_da" / file) as found:
        x, y = np.asarray(found[f"X{part}"]), np.asarray(found[f"Y{part}"]).ravel().astype(int)
    return x, y


def _usps(data: Path) -> Rows:
    x, y = _pair("MNIST_vs_USPS.mat", "t", data)
    return Rows(_bytes(x.reshape(-1, 16, 16)), (y - 1).astype(str))


def _coil(part: str, data: Path) -> Rows:
    x, y = _pair("COIL1_vs_COIL2.mat", part, data)
    return Rows(_bytes(x.reshape(-1, 32, 32)), np.array([f"object{c:02d}" for c in y]))


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(x, 0, 1)).astype(np.uint8)


def _folders(name: str, size: int, grey: bool, data: Path) -> Rows:
    """Pictures in one folder per class."""
    files = sorted(p for p in (data / name).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    read = (Image.open(p).convert("L" if grey else "RGB").resize((size, size), Image.Resampling.BOX) for p in files)
    return Rows(np.stack([np.asarray(picture) for picture in read]), np.array([p.parent.name for p in files]))


def _speech(speakers: tuple[str, ...], data: Path) -> Rows:
    files = sorted(p for p in (data / "fsdd" / "recordings").glob("*.wav") if p.stem.split("_")[1] in speakers)
    return _table(("path",), [(str(p), p.stem.split("_")[0]) for p in files])


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Rows:
    """Rows of texts, the label last."""
    return Rows(np.array([r[:-1] for r in rows], dtype=object), np.array([r[-1] for r in rows]), columns)


def _sentences(name: str, data: Path) -> Rows:
    """One sentence a line after its label."""
    lines = (data / UNCLEAR / "text_sst2_mr_trec" / name).read_text(encoding="latin-1").split("\n")
    pairs = (line.split(" ", 1) for line in lines if line.strip())
    return _table(("text",), [(text.strip(), label) for label, text in pairs if text.strip()])


def _reviews(name: str, data: Path) -> Rows:
    lines = (data / "uci_sentiment_3domains" / f"{name}_labelled.txt").read_text(encoding="utf-8").split("\n")
    pairs = (line.rsplit("\t", 1) for line in lines if line.strip())
    return _table(("text",), [(text.strip(), label.strip()) for text, label in pairs])


def _banking(data: Path) -> Rows:
    with (data / "banking77" / "train.csv").open(newline="", encoding="utf-8") as file:
        return _table(("text",), [(row["text"].strip(), row["category"]) for row in csv.DictReader(file)])


def _heart(site: str, data: Path) -> Rows:
    lines = (data / "heart_disease_4sites" / f"processed.{site}.data").read_text().split()
    cells = [line.split(",") for line in lines]
    return _table(HEART, [(*row[:-1], "disease" if float(row[-1]) > 0 else "healthy") for row in cells])


def _wine(colour: str, data: Path) -> Rows:
    with (data / "wine_quality" / f"winequality-{colour}.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    x, y = np.array([r[:-1] for r in rows], dtype=object), np.array([float(r[-1]) for r in rows])
    return Rows(x, y, WINE)


def _objects(name: str, data: Path) -> Rows:
    """Counts of visual words, each row over its sum, columns standardised, as the field does."""
    found = loadmat(data / UNCLEAR / "office_caltech_surf" / f"{name}_SURF_L10.mat")
    x = found["fts"].astype(float)
    x /= x.sum(1, keepdims=True)
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)
    return Rows(x.astype(np.float32), np.array([f"object{c:02d}" for c in found["labels"].ravel()]))


_SPEAKERS = ("george", "jackson", "lucas", "yweweler")
DOMAINS: Mapping[str, Callable[[Path], Rows]] = {
    **{name: partial(_embedded, name) for name in ("handwriting", "printed_digits", "printed_letters")},
    "mnist": _mnist,
    "usps": _usps,
    "coil1": partial(_coil, "s"),
    "coil2": partial(_coil, "t"),
    "cifar": partial(_folders, f"{UNCLEAR}/cifar10_test_jpeg_1000", 32, False),
    "signs": partial(_folders, "sign_language_digits/images", 64, False),
    "signs_small": partial(_folders, "sign_language_digits/images", 16, True),
    "theo": partial(_speech, ("theo",)),
    "nicolas": partial(_speech, ("nicolas",)),
    "speakers": partial(_speech, _SPEAKERS),
    "questions": partial(_sentences, "TREC.train.all"),
    "movies": partial(_sentences, "rt-polarity.all"),
    "stanford": partial(_sentences, "stsa.binary.test"),
    "banking": _banking,
    "yelp": partial(_reviews, "yelp"),
    "amazon_reviews": partial(_reviews, "amazon_cells"),
    **{site: partial(_heart, site) for site in ("cleveland", "hungarian", "switzerland", "va")},
    "red_wine": partial(_wine, "red"),
    "white_wine": partial(_wine, "white"),
    **{name: partial(_objects, name if name != "caltech" else "caltech10")
       for name in ("amazon", "caltech", "dslr", "webcam")},
}  # fmt: skip
