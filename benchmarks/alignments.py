"""Alignments on the field's own data, with the papers' protocol.

    python benchmarks/alignments.py objects FOLDER     Office-Caltech10, SURF counts: the four ``*_SURF_L10.mat``
    python benchmarks/alignments.py matrices FILE ...  pairs ``Xs Ys Xt Yt`` in MATLAB's v7.3: COIL, MNIST and USPS

The full protocol: all source examples have labels, no target example has one, and all of them are judged on. Options
are the same for all pairs of one data set, those of the papers where `ROWS` does not say otherwise. Nothing is drawn at
random but the two folds of the machine of CORAL's authors, whose rows are means over `DRAWS` draws. ``--only NAME ...``
runs some rows; ``--out FILE`` writes the numbers as JSON.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import existing, machine, matlab, write
from scipy.io import loadmat
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from regraft.core.config import entry
from regraft.heads._kernels import gaussian
from regraft.heads._layers import through

NEAREST: Mapping[str, Any] = {"name": "knn", "neighbours": 1}
TRANSPORT: dict[str, Any] = {"name": "optimal_transport", "neighbours": 1}  # as in the paper
STRENGTHS = (0.01, 0.1, 1.0)
THEIRS, DRAWS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0), 5
BROAD: Mapping[str, Any] = {"components": 100, "penalty": 0.1}
PLAIN: Mapping[str, Any] = {"centre": False}
COUNTED: Mapping[str, Any] = {**PLAIN, "marginal": None}
OBJECTS = {"C": "caltech10", "A": "amazon", "W": "webcam", "D": "dslr"}
PAIRS = ("CA", "CW", "CD", "AC", "AW", "AD", "WC", "WA", "WD", "DC", "DA", "DW")


@dataclass(frozen=True)
class Row:
    """A line of a table: how features are prepared, aligned and classified.

    ``head``: an entry; ``largest``: no head, the largest feature says the class; ``chosen``, ``theirs``: see there.
    """

    name: str
    alignment: Any = None
    head: Any = None
    prepare: str = "counts"
    published: str = ""


@dataclass(frozen=True)
class Pair:
    """A source with its labels, and a target with the labels to judge by."""

    name: str
    source: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    truth: np.ndarray


ROWS = {
    "objects": (
        Row("1-NN", None, NEAREST, published="31.4"),
        Row("SVM", None, "chosen"),
        Row("kernel SVM", None, "kernel_svm"),
        Row("LIBSVM", None, "theirs", published="41.1"),
        Row("SA, 1-NN", "subspace", NEAREST),
        Row("GFK, 1-NN", "gfk", NEAREST, published="43.1"),
        Row("TCA, 1-NN", "tca", NEAREST, published="46.2"),
        Row("semi-supervised TCA, 1-NN", "semisupervised_tca", NEAREST),
        Row("TJM, 1-NN", "tjm", NEAREST, published="46.3"),
        Row("JDA, 1-NN", "jda", NEAREST, published="46.8"),
        Row("BDA, 1-NN", "bda", NEAREST),
        Row("entropic OT, 1-NN", TRANSPORT | {"plan": "entropic"}, NEAREST),
        Row("OT by classes, 1-NN", TRANSPORT, NEAREST),
        Row("CORAL, SVM", "coral", "chosen"),
        Row("CORAL, LIBSVM", "coral", "theirs", published="48.8"),
        Row("linear Monge, SVM", "linear_monge", "chosen"),
        Row("MEDA", "meda", "largest", published="52.7"),
        Row("roots, SVM", None, "chosen", "roots"),
        Row("roots, JDA, 1-NN", "jda", NEAREST, "roots"),
        Row("roots, MEDA", "meda", "largest", "roots"),
    ),
    "matrices": (
        Row("1-NN", None, NEAREST, "length", published="65.9, 44.7"),
        Row("SVM", None, "chosen", "length", published="68.2, 62.2"),
        Row("kernel SVM", None, "kernel_svm", "length"),
        Row("SA, 1-NN", "subspace", NEAREST, "length"),
        Row("GFK, 1-NN", "gfk", NEAREST, "length"),
        Row("TCA, 1-NN", {"name": "tca", **BROAD}, NEAREST, "length"),
        Row("semi-supervised TCA, 1-NN", {"name": "semisupervised_tca", **BROAD}, NEAREST, "length"),
        Row("TJM, 1-NN", {"name": "tjm", **BROAD}, NEAREST, "length"),
        Row("JDA, 1-NN", {"name": "jda", **BROAD}, NEAREST, "length"),
        Row("BDA, 1-NN", {"name": "bda", **BROAD}, NEAREST, "length"),
        Row("entropic OT, 1-NN", TRANSPORT | {"plan": "entropic"}, NEAREST, "length"),
        Row("OT by classes, 1-NN", TRANSPORT, NEAREST, "length"),
        Row("CORAL, SVM", "coral", "chosen", "length", published="49.2, 30.5"),
        Row("linear Monge, SVM", "linear_monge", "chosen", "length"),
        Row("MEDA", "meda", "largest", "length"),
        Row("TCA not centred, 1-NN", {"name": "tca", **BROAD, **PLAIN}, NEAREST, "length", "56.3, 51.2"),
        Row("TJM not centred, 1-NN", {"name": "tjm", **BROAD, **PLAIN}, NEAREST, "length", "63.3, 52.3"),
        Row("JDA not centred, 1-NN", {"name": "jda", **BROAD, **PLAIN}, NEAREST, "length"),
        Row("JDA as its authors' code, 1-NN", {"name": "jda", **BROAD, **COUNTED}, NEAREST, "length", "67.3, 59.7"),
        Row("GFK not centred, 1-NN", {"name": "gfk", **PLAIN}, NEAREST, "length", "61.2, 46.5"),
        Row("MEDA not centred", {"name": "meda", **PLAIN}, "largest", "length", "89.5, 72.1"),
    ),
}


def prepared(x: np.ndarray, how: str) -> np.ndarray:
    """Features (N, D) as the papers have them.

    ``counts``: shares of a row, standardised in their domain; ``roots``: roots of the shares, likewise; ``length``:
    rows of length one.
    """
    if how == "length":
        size = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(size > 0, size, 1)
    x = x / x.sum(1, keepdims=True)
    x = np.sqrt(x) if how == "roots" else x
    return (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)


def chosen(x: np.ndarray, labels: np.ndarray) -> Any:
    """A linear machine of the strength that is best in three folds of the source's own labelled examples."""
    fold = np.empty(len(x), int)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(x)) % 3  # every class in every fold
    heads, right = [entry("heads", {"name": "svm", "strength": c}) for c in STRENGTHS], []
    for head in heads:
        answers = np.empty(len(x), int)
        for out in range(3):
            layer = head.fit(x[fold != out], labels[fold != out], int(labels.max()) + 1)
            answers[fold == out] = through(layer.double(), x[fold == out]).argmax(1)
        right.append((answers == labels).sum())
    return heads[int(np.argmax(right))]


def theirs(x: np.ndarray, moved: np.ndarray, z: np.ndarray, labels: np.ndarray, draw: int) -> np.ndarray:
    """Classes (M,) by the machine that CORAL's authors publish with it: LIBSVM's, each class against each other one.

    Its C is the first of `THEIRS` that is best in two folds of the labelled source, which are drawn. Its kernel is
    between the source as it was moved and as it was; of a source that was not moved, their code leaves LIBSVM's own.
    """
    kernel, new = (moved @ x.T, z @ moved.T) if moved is not x else (gaussian(of, x, 1 / x.shape[1]) for of in (x, z))
    folds = StratifiedKFold(2, shuffle=True, random_state=draw)
    return GridSearchCV(SVC(kernel="precomputed"), {"C": THEIRS}, cv=folds).fit(kernel, labels).predict(new)


def predicted(row: Row, pair: Pair, draw: int = 0) -> np.ndarray:
    """Classes (M,) of the target, whose labels are not given to anything."""
    first, z = (prepared(of, row.prepare) for of in (pair.source, pair.target))
    x = first
    if row.alignment is not None:
        aligned = entry("alignments", row.alignment).fit(x, pair.labels, z)
        x, z = aligned.source(x), aligned.target(z)
    if row.head == "largest":
        return z.argmax(1)
    if row.head == "theirs":
        return theirs(first, x, z, pair.labels, draw)
    head = chosen(x, pair.labels) if row.head == "chosen" else entry("heads", row.head)
    layer = head.fit(x, pair.labels, int(pair.labels.max()) + 1)
    return through(layer.double(), z).argmax(1)


def accuracy(row: Row, pair: Pair) -> float:
    """Percent of the target that is right, on average over the draws where something is drawn."""
    draws = DRAWS if row.head == "theirs" else 1
    return 100 * float(np.mean([(predicted(row, pair, draw) == pair.truth).mean() for draw in range(draws)]))


def objects(files: list[Path]) -> Iterator[Pair]:
    """The twelve pairs of Office-Caltech10."""
    places = {k: files[0] / f"{name}_SURF_L10.mat" for k, name in OBJECTS.items()}
    if missing := [place for place in places.values() if not place.is_file()]:
        raise SystemExit(f"there is no file {missing[0]}; give the folder that holds the four of them")
    read = {k: loadmat(place) for k, place in places.items()}
    held = {k: (of["fts"].astype(float), of["labels"].ravel().astype(int) - 1) for k, of in read.items()}
    for a, b in PAIRS:
        yield Pair(f"{a}>{b}", *held[a], *held[b])


def matrices(files: list[Path]) -> Iterator[Pair]:
    """Each file's pair and its reverse."""
    for file in files:
        found = matlab(file, "Xs", "Ys", "Xt", "Yt")
        source, target = found["Xs"].astype(float), found["Xt"].astype(float)
        labels, truth = (found[key].ravel().astype(int) - 1 for key in ("Ys", "Yt"))
        first, second = file.stem.split("_vs_")
        yield Pair(f"{first}>{second}", source, labels, target, truth)
        yield Pair(f"{second}>{first}", target, truth, source, labels)


def measured(part: str, files: list[Path], only: list[str]) -> dict[str, Any]:
    """Accuracy in percent of each row on each pair, with its mean and its seconds."""
    pairs = list({"objects": objects, "matrices": matrices}[part](files))
    found: dict[str, Any] = {}
    for row in (r for r in ROWS[part] if not only or r.name in only):
        cpu = time.process_time()
        each = {pair.name: accuracy(row, pair) for pair in pairs}
        seconds = time.process_time() - cpu
        found[row.name] = {"pairs": each, "mean": float(np.mean(list(each.values()))), "seconds": seconds}
        print(line(row, found[row.name]), flush=True)
    return found


def line(row: Row, found: Mapping[str, Any]) -> str:
    """A row of the table in Markdown."""
    each = " | ".join(f"{value:.1f}" for value in found["pairs"].values())
    return f"| {row.name} | {each} | {found['mean']:.1f} | {row.published} | {found['seconds']:.0f} |"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("part", choices=("objects", "matrices"))
    asked.add_argument("files", type=existing, nargs="+")
    asked.add_argument("--only", nargs="*", default=[])
    asked.add_argument("--out", type=Path)
    asked.add_argument("--threads", type=int, default=1)
    options = asked.parse_args()
    names = [row.name for row in ROWS[options.part]]
    if unknown := set(options.only) - set(names):
        asked.error(f"no row is called {sorted(unknown)[0]!r}; there are: {'; '.join(names)}")
    torch.set_num_threads(options.threads)
    print(machine())
    write(options.out, measured(options.part, options.files, options.only))


if __name__ == "__main__":
    main()
