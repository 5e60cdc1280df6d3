"""Tables whose rows are the examples, good and bad."""

from pathlib import Path

import pytest

from regraft.core.errors import UserError
from regraft.readers._base import read

HEADER = "age,town,seen,label"
GOOD = ("63,Bonn,2024-05-01,ill", "41,Köln,2024-06-11,well", "?,Bonn,,ill", "29,NA,2024-07-02,well")


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_rows_are_examples(tmp_path: Path) -> None:
    examples = read(table(tmp_path, *GOOD))
    assert (examples.kind, examples.noun) == ("table", "row")
    assert examples.classes == ("ill", "well")
    assert examples.labels is not None
    assert examples.labels.tolist() == [0, 1, 0, 1]
    assert examples.ids == ("row 2", "row 3", "row 4", "row 5")
    assert examples.items[0].cells == (("age", "63"), ("town", "Bonn"), ("seen", "2024-05-01"))
    assert examples.items[3].cells == (("age", "29"), ("town", ""), ("seen", "2024-07-02"))
    assert str(examples.items[2]) == "age (missing), town Bonn, seen (missing)"
    assert examples.notes == ()


@pytest.mark.parametrize("missing", ["", "?", "NA", "nan", "NaN", "N/A", "null"])
def test_missing_values_are_one(tmp_path: Path, missing: str) -> None:
    examples = read(table(tmp_path, *GOOD, f"{missing},Bonn,,ill"))
    assert examples.items[4].values["age"] == ""
    assert examples.digests[4] == examples.digests[2]


def test_digests_follow_the_values_not_the_order_of_columns(tmp_path: Path) -> None:
    first = read(table(tmp_path, *GOOD)).digests
    turned = (",".join(reversed(row.split(","))) for row in GOOD)
    assert read(table(tmp_path, *turned, header="label,seen,town,age")).digests == first
    assert len(set(first)) == len(first)
    assert read(table(tmp_path, *GOOD, header="years,town,seen,label")).digests != first


def test_groups_and_unnamed_columns_are_no_features(tmp_path: Path) -> None:
    rows = ("0,63,ill,ann", "1,41,well,", "2,20,ill,ann", "3,29,well,bob")
    examples = read(table(tmp_path, *rows, header=",age,label,group"))
    assert examples.groups == ("ann", "row 3", "ann", "bob")
    assert {name for row in examples.items for name in row.values} == {"age"}


def test_the_column_of_labels_has_any_name_and_is_never_a_feature(tmp_path: Path) -> None:
    path = table(tmp_path, *GOOD, header="age,town,seen,Outcome")
    examples = read(path, label="outcome")
    assert examples.label == "outcome"
    assert examples.classes == ("ill", "well")
    withheld = read(path, labelled=False, label="outcome")
    assert withheld.labels is None
    assert "outcome" not in withheld.items[0].values


def test_a_column_that_mixes_numbers_and_words_is_told(tmp_path: Path) -> None:
    notes = read(table(tmp_path, *GOOD, "old,Bonn,,ill")).notes
    assert notes == ("column 'age' mixes numbers and words ('old'); its values are categories",)


def test_a_column_without_values_is_told(tmp_path: Path) -> None:
    rows = [f"{row},?" for row in GOOD]
    assert read(table(tmp_path, *rows, header=f"{HEADER},ca")).notes == ("column 'ca' has no values and is not used",)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("age,town,seen,lable", GOOD, r"has no column 'label'; did you mean 'lable'\? Rename it, or give --label"),
        (
            "age,town,seen,num",
            GOOD,
            "has no column 'label'; name one so, or give --label; there are: age, town, seen, num",
        ),
        (
            HEADER,
            (*GOOD, "50,Bonn,,ill,7"),
            "row 6 of .* has 5 cells, but the header names 4 columns; correct that row",
        ),
        (HEADER, (*GOOD, "50,Bonn,,"), "row 6 of .* has no label; fill it in, or move"),
        (HEADER, (*GOOD, "50,Bonn"), "row 6 of .* has 2 cells, but the header names 4 columns; correct that row"),
        ("age,age,seen,label", GOOD, "several columns with the name 'age'; rename all but one"),
        (HEADER, GOOD[::2], "has one class only, 'ill'"),
        (HEADER, GOOD[:3], "only 1 readable row in .* for 'well'"),
        ("picture,label", ("a.png,x", "b.JPG,y"), "has no column 'path'; name one so; there are: picture, label"),
        ("", (), "is empty; it needs a header"),
    ],
)
def test_bad_tables(tmp_path: Path, header: str, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(table(tmp_path, *rows, header=header))


def test_a_typing_error_in_the_option_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no column 'twon'; did you mean --label town\?"):
        read(table(tmp_path, *GOOD), label="twon")
