"""NumPy and MATLAB files: what is read, what is skipped, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from regraft.core.errors import UserError
from regraft.readers._base import read

Y = np.arange(6) % 2
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8, 9), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
VECTORS = RNG.normal(size=(6, 5))


def npz(folder: Path, **arrays: object) -> Path:
    path = folder / "arrays.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("data", ["x", "X", "data", "images", "Features", "fts"])
@pytest.mark.parametrize("labels", ["y", "label", "Labels", "target", "targets"])
def test_names_of_arrays(tmp_path: Path, data: str, labels: str) -> None:
    examples = read(npz(tmp_path, **{data: GREY, labels: Y, "other": np.zeros(3)}))
    assert (examples.kind, examples.classes) == ("image", ("0", "1"))
    assert examples.labels is not None
    assert examples.labels.tolist() == Y.tolist()
    assert str(examples.items[4]) == f"{tmp_path / 'arrays.npz'}#5"
    assert examples.ids[4] == "number 5"


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (GREY, GREY),
        (GREY[..., None], GREY),
        (GREY[:, None], GREY),
        (COLOUR, COLOUR),
        (np.moveaxis(COLOUR, 3, 1), COLOUR),
        (GREY / 255, GREY),
        ((GREY / 255).astype(np.float32), GREY),
        (GREY.astype(np.int64), GREY),
        (GREY.astype(np.uint16) * 257, GREY),
        (GREY > 99, np.where(GREY > 99, 255, 0)),
    ],
)
def test_pictures_of_any_layout_and_scale(tmp_path: Path, x: np.ndarray, expected: np.ndarray) -> None:
    examples = read(npz(tmp_path, x=x, y=Y))
    assert examples.kind == "image"
    assert all(item.content.dtype == np.uint8 for item in examples.items)
    assert np.array_equal(np.stack([item.content for item in examples.items]), expected)


def test_equal_pictures_have_equal_digests_wherever_they_lie(tmp_path: Path) -> None:
    first = read(npz(tmp_path, x=GREY, y=Y)).digests
    assert len(set(first)) == 6
    assert read(npz(tmp_path, images=GREY[::-1] / 255, label=Y)).digests == first[::-1]
    savemat(tmp_path / "same.mat", {"x": GREY, "y": Y})
    assert read(tmp_path / "same.mat").digests == first
    reshaped = GREY.reshape(6, 9, 8)  # the same bytes in another shape are another picture
    assert not set(read(npz(tmp_path, x=reshaped, y=Y)).digests) & set(first)


def test_dark_pictures_are_told(tmp_path: Path) -> None:
    notes = read(npz(tmp_path, x=GREY % 17, y=Y)).notes
    assert len(notes) == 1
    assert notes[0].endswith("are dark: their highest value is 16 of 255")


def test_vectors_and_labels_of_any_type(tmp_path: Path) -> None:
    examples = read(npz(tmp_path, x=VECTORS, y=np.array(["no", "yes"] * 3)))
    assert (examples.kind, examples.noun, examples.classes) == ("vector", "vector", ("no", "yes"))
    assert np.allclose(np.stack([item.content for item in examples.items]), VECTORS)
    assert read(npz(tmp_path, x=VECTORS, y=Y.astype(float)[:, None])).classes == ("0", "1")
    assert read(npz(tmp_path, x=VECTORS, y=Y > 0)).classes == ("false", "true")
    numbers = read(npz(tmp_path, x=VECTORS, y=VECTORS[:, 0]), task="regression")
    assert numbers.labels is not None
    assert numbers.labels.tolist() == VECTORS[:, 0].tolist()
    assert read(npz(tmp_path, x=VECTORS, digit=Y), label="Digit").classes == ("0", "1")


def test_vectors_that_are_not_finite_are_skipped(tmp_path: Path) -> None:
    x = VECTORS.copy()
    x[1, 2], x[2, 0] = np.nan, np.inf
    examples = read(npz(tmp_path, x=x, y=Y))
    assert examples.ids == ("number 1", "number 4", "number 5", "number 6")
    assert [s.reason for s in examples.skipped] == [
        f"number {i}: holds values that are not finite, or too large" for i in (2, 3)
    ]
    with pytest.raises(UserError, match=r"none of the 6 .* can be read as a vector \(the first: arrays.npz: number 1"):
        read(npz(tmp_path, x=x * np.nan, y=Y))


def test_what_a_shape_means_can_be_stated(tmp_path: Path) -> None:
    examples = read(npz(tmp_path, x=GREY, y=Y), kind="vector")
    assert examples.kind == "vector"
    assert examples.items[0].content.shape == (72,)
    with pytest.raises(UserError, match=r"has the shape \(6, 5\); give pictures \(N, H, W\)"):
        read(npz(tmp_path, x=VECTORS, y=Y), kind="image")
    with pytest.raises(UserError, match=r"arrays.npz cannot be read as --kind audio; leave that out"):
        read(tmp_path / "arrays.npz", kind="audio")


def test_one_array_without_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "new.npy", GREY)
    examples = read(tmp_path / "new.npy", labelled=False)
    assert (len(examples), examples.kind, examples.labels) == (6, "image", None)
    assert read(npz(tmp_path, x=GREY), labelled=False).labels is None
    assert read(npz(tmp_path, x=GREY, y=Y), labelled=False).labels is None
    with pytest.raises(UserError, match=r"new.npy has no labels; save it as .npz, with arrays x and y"):
        read(tmp_path / "new.npy")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": GREY, "y": Y}, r"no array of examples \(x or .*\); did you mean 'image'\? Name it 'images'"),
        (
            {"x": GREY, "lable": Y},
            r"no array of labels \(y or .*\); did you mean 'lable'\? Name it 'label', or give --l",
        ),
        ({"Xs": GREY, "Xt": GREY, "q": Y}, r"no array of examples .*; name one so; there are: Xs, Xt, q$"),
        ({"x": GREY, "data": GREY, "y": Y}, "several arrays of examples: x, data; keep one of them"),
        ({"x": GREY, "y": Y[:4]}, "has 6 examples, but 4 labels; give one label for each example"),
        ({"x": GREY, "y": np.eye(6)}, r"have the shape \(6, 6\); give one label for each example, \(N,\)"),
        ({"x": GREY[0], "y": Y[:1].repeat(8)}, "has one class only, '0'"),
        (
            {"x": np.zeros((6, 8, 8, 2)), "y": Y},
            r"have the shape \(6, 8, 8, 2\); give 1, 3 or 4 channels, first or last",
        ),
        ({"x": np.zeros((6, 8, 8, 3, 2)), "y": Y}, r"has the shape \(6, 8, 8, 3, 2\); give pictures \(N, H, W\)"),
        ({"x": Y, "y": Y}, r"has the shape \(6,\); give pictures \(N, H, W\).* or vectors \(N, D\)"),
        (
            {"x": GREY - 128.0, "y": Y},
            r"run from -1\d\d to 12\d; give values from 0 to 1, 255 or 65535, or say --kind v",
        ),
        ({"x": GREY * np.nan, "y": Y}, "run from nan to nan"),
        ({"x": GREY.astype(str), "y": Y}, "are of the type <U3; give an array of numbers"),
        ({"x": GREY, "y": np.where(Y > 0, 1.0, np.nan)}, "number 1 of .* has no label; fill it in or remove it"),
        ({"x": GREY, "y": np.arange(6)}, "only 1 readable picture in .* for '0', '1', '2', '3', '4' and 1 more"),
        ({"x": GREY, "y": np.array([object()] * 6)}, "holds Python objects, which could run code; save arrays of numb"),
        ({"x": GREY[:0], "y": Y[:0]}, "no pictures found in"),
        ({"x": VECTORS[:0], "y": Y[:0]}, "no vectors found in"),
        ({"x": VECTORS[:, :0], "y": Y}, r"has the shape \(6, 0\); give examples that hold something"),
        ({"x": VECTORS * 1e300, "y": Y}, "none of the 6 .* can be read as a vector"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(npz(tmp_path, **arrays))


def test_files_that_are_not_what_their_ending_says(tmp_path: Path) -> None:
    path = npz(tmp_path, x=GREY, y=Y)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UserError, match=r"arrays.npz is corrupt or truncated"):
        read(path)
    for content in (b"path,label\n", b"", b"\x80\x04K\x01."):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"arrays.npz is not a NumPy file, whatever its ending says"):
            read(path)
    np.save(tmp_path / "cut.npy", GREY)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:200])
    with pytest.raises(UserError, match=r"cut.npy is corrupt or truncated"):
        read(tmp_path / "cut.npy", labelled=False)


def test_matlab_files(tmp_path: Path) -> None:
    path = tmp_path / "features.mat"
    savemat(path, {"fts": VECTORS, "labels": Y[:, None] + 1})
    examples = read(path)
    assert (examples.kind, examples.classes, len(examples)) == ("vector", ("1", "2"), 6)
    savemat(path, {"X": np.moveaxis(COLOUR, 0, 3), "y": Y[None]})
    along = read(path)
    assert np.array_equal(along.items[3].content, COLOUR[3])
    assert along.notes == (f"the examples in {path} lie along the last axis",)
    savemat(path, {"x": VECTORS, "y": np.array(["ant", "bee"] * 3, dtype=object)})
    assert read(path).classes == ("ant", "bee")


def test_bad_matlab_files(tmp_path: Path) -> None:
    path = tmp_path / "features.mat"
    savemat(path, {"Xs": VECTORS, "Xt": VECTORS, "Ys": Y, "Yt": Y})
    with pytest.raises(UserError, match=r"no array of examples .*; name one so; there are: Xs, Xt, Ys, Yt"):
        read(path)
    savemat(path, {"x": VECTORS, "y": Y}, do_compression=True)
    whole = path.read_bytes()
    for content in (whole[:-40], b"x,y\n1,2\n", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"features.mat is no MATLAB file, or a damaged one"):
            read(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" * 99)
    with pytest.raises(UserError, match=r"is of MATLAB's version 7.3; save it with -v7, or its arrays as .npz"):
        read(path)


@pytest.mark.shared
def test_real_features(real: Path) -> None:
    folder = real / "unclear-licence" / "office_caltech_surf"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    found = {path.name.partition("_")[0]: read(path) for path in folder.glob("*.mat")}
    assert {n: len(e) for n, e in found.items()} == {"amazon": 958, "caltech10": 1123, "dslr": 157, "webcam": 295}
    assert all(e.classes == tuple(map(str, range(1, 11))) for e in found.values())
