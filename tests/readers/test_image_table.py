"""Tables of pictures, good and bad."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UserError
from regraft.readers._base import read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six different pictures, 0.png to 5.png."""
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return tmp_path


def table(folder: Path, *rows: str, header: str = "path,label", encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding=encoding)
    return path


GOOD = ("3.png,10", "0.png,9", "1.png,9", "2.png,10")


def test_paths_and_labels(folder: Path) -> None:
    examples = read(table(folder, *GOOD))
    assert examples.ids == ("0.png", "1.png", "2.png", "3.png")
    assert examples.classes == ("9", "10")
    assert examples.labels is not None
    assert examples.labels.tolist() == [0, 0, 1, 1]
    assert examples.items[0] == folder / "0.png"
    assert examples.groups is None


def test_the_order_of_rows_does_not_matter(folder: Path) -> None:
    one, other = read(table(folder, *GOOD)), read(table(folder, *reversed(GOOD)))
    assert one.ids == other.ids
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_spreadsheets_write(folder: Path, separator: str, encoding: str) -> None:
    rows = [row.replace(",", separator) + "\r" for row in (*GOOD, ",", "")]
    examples = read(table(folder, *rows, header=f"Path{separator} Label \r", encoding=encoding))
    assert examples.counts() == {"9": 2, "10": 2}


def test_quoted_cells(folder: Path) -> None:
    (folder / "5.png").rename(folder / "a, b.png")
    assert "a, b.png" in read(table(folder, *GOOD, '"a, b.png","10"')).ids


def test_groups_are_kept_and_other_columns_ignored(folder: Path) -> None:
    rows = ("0.png,a,train,ann", "1.png,a,test,", "2.png,b,train,bob", "3.png,b,,ann")
    assert read(table(folder, *rows, header="path,label,split,group")).groups == ("ann", "1.png", "bob", "ann")


def test_labels_are_not_needed_when_not_wanted(folder: Path) -> None:
    assert read(table(folder, "0.png", header="path"), labelled=False).ids == ("0.png",)
    examples = read(table(folder, *GOOD, "4.png,"), labelled=False)
    assert len(examples) == 5
    assert examples.labels is None
    assert examples.classes == ()


def test_paths_elsewhere(folder: Path) -> None:
    tables = folder / "tables"
    tables.mkdir()
    rows = ("../0.png,a", "../1.png,a", f"{folder / '2.png'},b", "../3.png,b")
    assert read(table(tables, *rows)).ids == ("../0.png", "../1.png", "../2.png", "../3.png")


def test_unreadable_pictures_are_listed(folder: Path) -> None:
    (folder / "4.png").write_bytes(b"")
    examples = read(table(folder, *GOOD, "4.png,9"))
    assert len(examples) == 4
    assert [(s.path.name, s.reason) for s in examples.skipped] == [("4.png", "empty file")]


def test_repeated_rows_are_listed(folder: Path) -> None:
    examples = read(table(folder, *GOOD, "./0.png,9"))
    assert len(examples) == 4
    assert [s.reason for s in examples.skipped] == ["row 6 repeats row 3"]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("path,lable", GOOD, r"has no column 'label'; did you mean 'lable'\? Rename it"),
        ("paths,label", GOOD, r"has no column 'path'; did you mean 'paths'\? Rename it"),
        ("picture,label", GOOD, "has no column 'path'; name one so; there are: picture, label"),
        ("", (), "is empty; it needs a header with the columns path and label .or text and label, or label and any"),
        ("path,label", (), "no pictures found in"),
        ("path,label", (*GOOD, "4.png,"), "row 6 of .* has no label; fill it in"),
        ("path,label", (*GOOD, ",9"), "row 6 of .* has no path; fill it in"),
        ("path,label", ("7.png,9", *GOOD), "row 2 of .*: there is no file .*7.png; paths are relative"),
        ("path,label", (*GOOD, "7.png,9", "8.png,9"), r"row 6 of .*7.png \(and 1 more rows name missing files\)"),
        ("path,label", (*GOOD, "0.png,10"), "rows 3 and 6 of .* give .*0.png the labels '9' and '10'; keep one"),
        ("path,label", GOOD[1:3], "has one class only, '9'"),
        ("path,label", GOOD[:3], "only 1 readable picture in .* for '10'; at least 2 are needed"),
        ("path,label", (*GOOD, "4\x00.png,9"), "row 6 of .* has a NUL byte"),
        ("path,label", (*GOOD, "4.png," + 140_000 * "9"), "row 6 of .* has a cell of more than 131,072 characters"),
    ],
)
def test_bad_tables(folder: Path, header: str, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(table(folder, *rows, header=header))


def test_all_pictures_unreadable(folder: Path) -> None:
    for i in range(6):
        (folder / f"{i}.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=r"none of the 4 files in .* can be read as a picture"):
        read(table(folder, *GOOD))


def test_a_class_whose_pictures_are_all_unreadable(folder: Path) -> None:
    (folder / "4.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"for 'x' \(1 file\(s\) skipped, the first: 4.png: empty file\)"):
        read(table(folder, *GOOD, "4.png,x"))


def test_a_table_that_is_not_utf8(folder: Path) -> None:
    with pytest.raises(UserError, match=r"is not text in UTF-8 \(byte \d+\); save it as CSV in UTF-8"):
        read(table(folder, *GOOD, "4.png,caf\xe9", encoding="latin-1"))
