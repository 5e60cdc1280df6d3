"""Rows of tables as numbers, against values that were worked out by hand."""

import numpy as np
import pytest
import torch

from regraft.backbones.small import Small
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.data.columns import Row, date, kind_of, mixed, number, shared
from regraft.data.examples import Examples
from regraft.preprocessing._columns import LEVELS, fitted
from regraft.preprocessing.columns import Columns, learned


def rows(**columns: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(Row(tuple(zip(columns, cells, strict=True))) for cells in zip(*columns.values(), strict=True))


def examples(**columns: tuple[str, ...]) -> Examples:
    items = rows(**columns)
    names = tuple(str(i) for i in range(len(items)))
    return Examples(names, names, items, None, (), kind="table")


DRAWN = rows(
    age=("20", "30", "", "40", "50"), town=("a", "b", "a", "", "c"),
    seen=("2024-05-01", "2024-05-03", "", "2024-05-01", "2024-05-03"), none=("",) * 5,
)  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (("1", "2.5", "", "-3e4"), "number"),
        (("1", "inf"), "category"),
        (("1", "two"), "category"),
        (("2024-01-02", "02.01.2024", "2024/01/02", ""), "date"),
        (("3/4/2024", "4/3/2024"), "category"),
        (("", ""), "empty"),
    ],
)
def test_kinds(texts: tuple[str, ...], kind: str) -> None:
    assert kind_of(texts) == kind


def test_mixed_names_a_word_among_numbers() -> None:
    assert mixed(("1", "two", "")) == "two"
    assert mixed(("1", "2")) == mixed(("a", "b")) == ""
    assert number("nan") is None


def test_dates_are_read_alike_however_they_are_written() -> None:
    assert date("2024-05-01") == date("01.05.2024") == date("2024/05/01") == date("2024-05-01T02:00:00+02:00")


def test_numbers_are_standardised_by_the_middle_half() -> None:
    column = fitted("age", ("20", "30", "", "40", "50"))
    assert column is not None
    assert (column.centre, column.gaps) == ((35.0,), True)
    spread = (42.5 - 27.5) / 1.349
    assert column.encode(("35", "50", "", "1e9", "word")) == pytest.approx(
        np.array([[0, 0], [15 / spread, 0], [0, 1], [10, 0], [0, 1]]), abs=1e-6
    )


def test_a_constant_column_and_one_with_a_constant_middle_are_borne() -> None:
    constant, rare = fitted("x", ("3", "3", "3")), fitted("x", ("0",) * 9 + ("10",))
    assert constant is not None
    assert rare is not None
    assert constant.encode(("3", "4")).tolist() == [[0.0], [1.0]]
    assert (rare.centre, rare.spread) == ((1.0,), (3.0,))


def test_categories_have_an_input_each_and_one_for_others() -> None:
    column = fitted("town", ("a", "b", "a", ""))
    assert column is not None
    assert column.encode(("a", "b", "z", "")).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_the_most_frequent_categories_are_kept() -> None:
    texts = [f"town {i}" for i in range(80)] + ["town 79", "town 78"]
    column = fitted("town", texts)
    assert column is not None
    assert len(column.levels) == LEVELS
    assert {"town 78", "town 79"} <= set(column.levels)
    assert column.encode(("town 77",)).sum() == column.encode(("town 77",))[0, -1] == 1


def test_dates_are_taken_apart() -> None:
    column = fitted("seen", ("2024-05-01", "2024-05-03"))  # a Wednesday and a Friday
    assert column is not None
    assert column.centre == (2024.0, 5.0, 2.0, 3.0, 19845.0)  # 2024-05-02 is day 19845 since 1970
    assert column.encode(("2024-05-03",)).tolist() == [[0, 0, 1, 1, 1]]


def test_columns_are_found_by_name() -> None:
    columns = learned(DRAWN)
    assert [c.name for c in columns.columns] == ["age", "town", "seen"]
    assert columns.decode(DRAWN).shape == (5, *columns.shape)
    turned = tuple(Row((("strange", "7"), *reversed(row.cells))) for row in DRAWN)
    assert np.array_equal(columns.decode(turned), columns.decode(DRAWN))
    lacking = columns.decode([DRAWN[0].only(["town"])])
    assert np.array_equal(lacking, columns.decode([Row((("age", ""), ("town", "a"), ("seen", "")))]))


def test_saved_as_plain_options_they_decode_the_same() -> None:
    backbone = Small(arch="mlp", table=learned(DRAWN))
    again = entry("backbones", to_plain(backbone))
    assert again == backbone
    assert again.preprocess.key == backbone.preprocess.key
    assert np.array_equal(again.preprocess.decode(DRAWN), backbone.preprocess.decode(DRAWN))


def test_other_rows_give_another_key() -> None:
    assert learned(DRAWN).key != learned(DRAWN[:4]).key


def test_rows_without_any_known_column_are_refused() -> None:
    with pytest.raises(UserError, match="the model reads the columns age, seen, town, but there are x"):
        learned(DRAWN).decode(rows(x=("1",)))


def test_a_table_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no column of the table has a value"):
        learned(rows(none=("", "")))


def test_tensors_are_what_was_decoded() -> None:
    columns = learned(DRAWN)
    arrays = columns.decode(DRAWN)
    arrays.setflags(write=False)
    assert torch.equal(columns.tensor(arrays), torch.tensor(arrays.tolist()))
    assert columns.sample(3).shape == (3, *columns.shape)


def test_shared_columns_come_from_both_tables_and_the_rest_is_told() -> None:
    source, target = examples(age=("1", "2"), town=("a", "b"), x=("", "")), examples(y=("5",), age=("9",))
    both, found = shared(source, target)
    assert [row.cells for row in both.items] == [(("age", "1"),), (("age", "2"),), (("age", "9"),)]
    assert found == {
        "columns": "1 of the target's 2, by name: age",
        "columns of the source only, not used": "town, x",
        "columns of the target only, not used": "y",
    }


def test_a_column_with_a_typo_is_told_with_what_it_may_be() -> None:
    source, target = examples(age=("1",), wieght=("2",), town=("a",)), examples(age=("9",), weight=("3",))
    found = shared(source, target)[1]
    assert found["columns of the source only, not used"] == "wieght (is it 'weight'?), town"
    assert found["columns of the target only, not used"] == "weight (is it 'wieght'?)"


def test_tables_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(UserError, match="the source has the columns town and the target age: none in common"):
        shared(examples(town=("a",)), examples(age=("1",)))


def test_the_small_network_is_as_wide_as_the_columns() -> None:
    backbone = Small().suited(examples(age=("1", "2", ""), town=("a", "b", "a")))
    assert backbone.arch == "mlp"
    assert isinstance(backbone.preprocess, Columns)
    network = backbone.build()
    assert network(backbone.preprocess.sample(4)).shape == (4, network.feature_dim) == (4, 128)
    assert backbone.described == "5 numbers from 2 columns"
