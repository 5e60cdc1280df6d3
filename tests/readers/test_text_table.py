"""Texts in tables: what is read, what is skipped, what is refused."""

from pathlib import Path

import pytest

from regraft.core.errors import UserError
from regraft.readers._base import read
from regraft.readers.text_table import TextTable


def table(folder: Path, *rows: str, header: str = "text,label", encoding: str = "utf-8") -> Path:
    path = folder / "texts.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding=encoding)
    return path


GOOD = ('"Where is my card?",card', "卡在哪里,card", "send it back,refund", "I want my money,refund")


def test_texts_and_labels(tmp_path: Path) -> None:
    examples = read(table(tmp_path, *GOOD))
    assert examples.kind == "text"
    assert examples.items == ("Where is my card?", "卡在哪里", "send it back", "I want my money")
    assert examples.classes == ("card", "refund")
    assert examples.labels is not None
    assert examples.labels.tolist() == [0, 0, 1, 1]
    assert examples.ids == ("row 2", "row 3", "row 4", "row 5")


def test_labels_may_have_another_name(tmp_path: Path) -> None:
    path = table(tmp_path, *GOOD, header="Text,Category")
    assert read(path, label="Category").classes == ("card", "refund")
    with pytest.raises(
        UserError, match=r"has no column 'label'; name one so, or give --label; there are: text, category"
    ):
        read(path)


def test_equal_texts_have_equal_digests(tmp_path: Path) -> None:
    digests = read(table(tmp_path, *GOOD, "send it back,refund")).digests
    assert digests[2] == digests[4]
    assert len(set(digests)) == 4


def test_rows_without_a_text_are_listed(tmp_path: Path) -> None:
    examples = read(table(tmp_path, *GOOD, ",card", "  ,refund"))
    assert len(examples) == 4
    assert [s.reason for s in examples.skipped] == ["row 6 has no text", "row 7 has no text"]


def test_groups_and_withheld_labels(tmp_path: Path) -> None:
    path = table(tmp_path, "a,x,ann", "b,y,", header="text,label,group")
    examples = read(path, labelled=False)
    assert examples.groups == ("ann", "row 3")
    assert examples.labels is None


def test_a_byte_order_mark_and_semicolons(tmp_path: Path) -> None:
    path = table(tmp_path, "a;x", "b;x", "c;y", "d;y", header="text;label", encoding="utf-8-sig")
    assert read(path).counts() == {"x": 2, "y": 2}


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("text,lable", GOOD, r"has no column 'label'; did you mean 'lable'\? Rename it"),
        ("1.5,a", ("2,b", "3,a"), "there are: 1.5, a; if that is a row, put a line with names before it"),
        ("text,label", (*GOOD, "no label,"), "row 6 of .* has no label; fill it in, or move"),
        ("text,label", (*GOOD, "no label"), "row 6 of .* has 1 cell, but the header names 2 columns; correct that row"),
        (
            "text,label",
            (*GOOD, '"never closed,card', *GOOD, 'closed" by another,card'),
            "row 6 of .* is not valid CSV .*; close the quote that opens a cell, and write a quote inside one twice",
        ),
        ("text,label", (*GOOD, '"never closed,card'), "row 6 of .* is not valid CSV"),
        ("text,label", (), "no texts found in"),
        (
            "text,label",
            (*GOOD, "a\0b,card"),
            "row 6 of .* has a NUL byte, which no text has: .*; save it again in UTF-8",
        ),
        ("text,la\0bel", GOOD, "the header of .* has a NUL byte"),
        ("text,label,Label", (), "has several columns with the name 'label'; rename all but one"),
        ("text,label", GOOD[:2], "has one class only, 'card'"),
        ("text,label", GOOD[:3], "only 1 readable text in .* for 'refund'; at least 2 are needed"),
        (
            "text,label",
            (*GOOD, '"' + 10_000_000 * "x" + '",card'),
            "row 6 of .* has a cell of more than 131,072 characters",
        ),
    ],
)
def test_bad_tables(tmp_path: Path, header: str, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(table(tmp_path, *rows, header=header))


def test_text_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not text in UTF-8 \(byte \d+\); save it as CSV in UTF-8"):
        read(table(tmp_path, *GOOD[2:], "caf\xe9,card", "th\xe9,card", encoding="latin-1"))


def test_a_table_of_files_is_not_one_of_texts(tmp_path: Path) -> None:
    assert not TextTable.matches(table(tmp_path, "a.png,x", header="path,label"))
