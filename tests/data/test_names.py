"""Which classes of two label spaces are the same."""

import pytest

from regraft.data.names import shared


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("dog", "dog"), ("Dog", "dog"), ("dogs", "dog"), ("dog", "Dogs"), ("great_white-shark", "Great white  shark"),
        ("boxes", "box"), ("box", "boxes"), ("horses", "horse"), ("cherry", "cherries"), ("7", "7"), ("狗", "狗"),
    ],
)  # fmt: skip
def test_names_that_are_the_same(ours, theirs):
    assert shared(["other", ours], [theirs, "another"]) == {1: 0}


@pytest.mark.parametrize(
    ("ours", "theirs"), [("dog", "dig"), ("ax", "axe"), ("7", "7s"), ("cat", "cat flap"), ("", "s"), ("bus", "buss_es")]
)
def test_names_that_are_not(ours, theirs):
    assert shared([ours], [theirs]) == {}


def test_what_fits_two_fits_none_unless_it_is_spelled_the_same():
    assert shared(["crane"], ["crane", "crane"]) == {}
    assert shared(["cranes"], ["crane", "Crane"]) == {}
    assert shared(["crane", "Crane"], ["crane"]) == {0: 0}
    assert shared(["Cranes", "Crane"], ["crane"]) == {}
    assert shared(["a", "b"], []) == {}
