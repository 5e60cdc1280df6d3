"""Which reader takes what, and what the option kind changes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from regraft.core import catalog
from regraft.core.errors import UserError
from regraft.readers._again import member
from regraft.readers._base import kind_as, known, read
from regraft.readers._names import names_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of each kind of data."""
    for name in ("a", "b"):
        for i in range(2):
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 99 * i).save(tmp_path / "photos" / name / f"{i}.png")
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "x-images-idx3-ubyte").write_bytes(b"")
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "rows.parquet").write_bytes(b"")
    np.savez(tmp_path / "arrays.npz", x=np.zeros((4, 8, 8)), y=[0, 1, 0, 1])
    for name in ("one.npy", "features.mat"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "texts.jsonl").write_text('{"text": "a", "label": "x"}\n')
    (tmp_path / "rows.csv").write_text("age,label\n1,x\n")
    (tmp_path / "list.csv").write_text("path,label\nphotos/a/0.png,x\n")
    both = [f"photos/{name}/{i}.png,{name} {i},{name}" for name in ("a", "b") for i in range(2)]
    (tmp_path / "both.csv").write_text("\n".join(["path,text,label", *both]))
    return tmp_path


def test_one_reader_takes_each(folder: Path) -> None:
    taken = {
        path.name: [n for n in catalog.names("readers") if catalog.find("readers", n).matches(path)]
        for path in folder.iterdir()
    }
    assert taken == {
        "photos": ["image_folder"],
        "digits": ["idx"],
        "dataset": ["table"],
        "arrays.npz": ["arrays"],
        "one.npy": ["arrays"],
        "features.mat": ["mat"],
        "texts.jsonl": ["text_table"],
        "rows.csv": ["table"],
        "list.csv": ["image_table"],
        "both.csv": ["text_table"],
    }
    assert all(known(path) for path in folder.iterdir())
    assert not known(folder / "photos" / "a" / "0.png")


def test_the_kind_can_be_stated(folder: Path) -> None:
    both = folder / "both.csv"
    assert read(both).kind == "text"
    for kind in ("image", "text", "table"):
        assert read(both, kind=kind).kind == kind
    assert read(both, kind="table").items[0].values == {"path": "photos/a/0.png", "text": "a 0"}
    assert read(folder / "arrays.npz", kind="vector").kind == "vector"
    with pytest.raises(UserError, match=r"rows.csv cannot be read as --kind text; leave that out, or give other data"):
        read(folder / "rows.csv", kind="text")


def test_data_beside_a_target_are_read_as_its_kind_where_they_can_be(folder: Path) -> None:
    assert kind_as(folder / "both.csv", "image") == "image"
    assert kind_as(folder / "arrays.npz", "vector") == "vector"
    assert kind_as(folder / "rows.csv", "text") == "auto"
    assert kind_as(folder / "photos", "audio") == "auto"  # so that it is refused as what it is


def test_names_are_found_without_reading(folder: Path) -> None:
    assert names_in(folder / "both.csv") == ("path", "text", "label")
    assert names_in(folder / "arrays.npz") == ("x", "y", "label")
    savemat(folder / "features.mat", {"fts": np.zeros((2, 3)), "Digit": [[0, 1]]})
    assert names_in(folder / "features.mat") == ("fts", "digit")
    assert names_in(folder / "one.npy") == names_in(folder / "photos") == ()
    (folder / "arrays.npz").write_bytes(b"PK")
    assert names_in(folder / "arrays.npz") == ()


def test_an_example_is_found_again_by_its_name(folder: Path) -> None:
    examples = read(folder / "arrays.npz")
    again = member(str(examples.items[2]), "image")
    assert again is not None
    assert again.digest == examples.digests[2]
    assert member(str(folder / "photos" / "a" / "0.png"), "image") is None
    assert member(f"{folder / 'arrays.npz'}#99", "image") is None
    with pytest.raises(UserError, match="no folder or file"):
        member(f"{folder / 'gone.npz'}#1", "image")
