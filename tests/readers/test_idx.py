"""Files of the form of MNIST."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import UserError
from regraft.readers._base import read

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 7, 7), dtype=np.uint8)
LABELS = np.arange(6, dtype=np.uint8) % 3


def idx(path: Path, values: np.ndarray, code: int = 8) -> Path:
    path.parent.mkdir(exist_ok=True)
    sizes = np.array(values.shape, ">u4").tobytes()
    raw = bytes([0, 0, code, values.ndim]) + sizes + values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    idx(folder / "train-images-idx3-ubyte.gz", PICTURES)
    idx(folder / "train-labels-idx1-ubyte", LABELS)
    return folder


def test_a_folder_or_its_file_of_pictures(digits: Path) -> None:
    file = digits / "train-images-idx3-ubyte.gz"
    for path in (digits, file):
        examples = read(path)
        assert (examples.kind, examples.classes) == ("image", ("0", "1", "2"))
        assert examples.labels is not None
        assert examples.labels.tolist() == LABELS.tolist()
        assert np.array_equal(examples.items[5].content, PICTURES[5])
        assert str(examples.items[5]) == f"{file}#6"
    (digits / "train-labels-idx1-ubyte").unlink()
    assert read(digits, labelled=False).labels is None
    with pytest.raises(UserError, match=r"no file of labels train-labels-idx1-ubyte \(or train-labels-idx1-ubyte.gz\)"):
        read(digits)


def test_names_with_a_dot_and_wider_numbers(tmp_path: Path) -> None:
    idx(tmp_path / "t10k-images.idx3-ubyte", PICTURES)
    idx(tmp_path / "t10k-labels.idx1-ubyte", LABELS)
    assert len(read(tmp_path)) == 6
    idx(tmp_path / "wide" / "a-images-idx2-float.gz", PICTURES.reshape(6, -1).astype(np.float32), 13)
    vectors = read(tmp_path / "wide", labelled=False)
    assert vectors.kind == "vector"
    assert np.array_equal(vectors.items[2].content, PICTURES[2].reshape(-1))


def test_bad_folders(digits: Path) -> None:
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte holds labels; give .* train-images-idx3-ubyte$"):
        read(digits / "train-labels-idx1-ubyte")
    idx(digits / "t10k-images-idx3-ubyte", PICTURES)
    with pytest.raises(
        UserError, match=r"holds 2 sets of examples; give one: .*t10k-images-idx3-ubyte, .*train-images"
    ):
        read(digits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw[:-9], r"corrupt or truncated: \d+ of \d+ bytes; restore it"),
        (lambda raw: raw + b"more", "corrupt or truncated: "),
        (lambda raw: gzip.compress(raw)[:-20], "is corrupt or truncated"),
        (lambda raw: b"\x1f\x8b" + raw, "is corrupt or truncated"),
        (lambda raw: b"<html>404</html>", "is not an idx file, whatever its name says"),
        (lambda raw: b"", "is not an idx file, whatever its name says"),
        (lambda raw: b"\0\0\x08\xff", "is not an idx file, whatever its name says"),
        (lambda raw: b"\0\0\x08\x03" + b"\xff" * 12, "corrupt or truncated: 16 of "),
    ],
)
def test_damaged_files(tmp_path: Path, change, message: str) -> None:
    file = idx(tmp_path / "x-images-idx3-ubyte", PICTURES)
    idx(tmp_path / "x-labels-idx1-ubyte", LABELS)
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(UserError, match=message):
        read(tmp_path)


def test_labels_of_another_set(tmp_path: Path) -> None:
    idx(tmp_path / "x-images-idx3-ubyte", PICTURES)
    idx(tmp_path / "x-labels-idx1-ubyte", LABELS[:4])
    with pytest.raises(UserError, match="has 6 examples, but 4 labels; give the files of one set"):
        read(tmp_path)
