"""Several domains at once: how they are written, and what they are together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import UserError
from regraft.data.examples import Examples, pooled
from regraft.readers._domains import labelled_data, members_of, parts_of, single


def domain(classes: tuple[str, ...], labels: np.ndarray, groups: tuple[str, ...] | None = None) -> Examples:
    ids = tuple(f"row {i}" for i in range(len(labels)))
    return Examples(ids, ids, ids, labels, classes, groups, kind="text")


def test_a_mean_names_its_members() -> None:
    assert members_of("average:runs/birds+data:a.csv?label=kind") == ("runs/birds", "data:a.csv?label=kind")
    assert members_of("runs/birds") == ()
    assert single(["average:a+b", "b", "c"]) == ("a", "b", "c")


@pytest.mark.parametrize("uri", ["average:", "average:a", "average:a+", "average:a+a", "average:a+average:b+c"])
def test_what_is_no_mean_is_told(uri: str) -> None:
    with pytest.raises(UserError, match=r"a mean is of two or more different sources .* as in average:"):
        members_of(uri)


def test_domains_are_pooled_by_the_names_of_their_classes() -> None:
    one = domain(("ant", "bee"), np.array([0, 1, 1]), ("x", "x", "y"))
    two = domain(("Bees", "cow"), np.array([0, 1]))
    both = pooled([one, two])
    assert both is not None
    assert both.classes == ("ant", "bee", "cow")
    assert both.labels is not None
    assert both.labels.tolist() == [0, 1, 1, 1, 2]
    assert both.groups == ("0/x", "0/x", "0/y", "1/row 0", "1/row 1")
    assert len(set(both.ids)) == 5
    some = both.take([4, 0]).domains
    assert some is not None
    assert some.tolist() == [1, 0]


def test_sets_and_numbers_are_pooled_and_never_with_classes() -> None:
    sets = domain(("red", "round"), np.array([[1, 0], [1, 1]]))
    more = domain(("round", "big"), np.array([[1, 0], [0, 1]]))
    both = pooled([sets, more])
    assert both is not None
    assert both.labels is not None
    assert both.labels.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
    numbers = domain((), np.array([0.5, 2.0]))
    assert pooled([numbers, numbers]).labels.tolist() == [0.5, 2.0, 0.5, 2.0]  # type: ignore[union-attr]
    with pytest.raises(UserError, match="must be of one kind, and these are classes and numbers"):
        pooled([domain(("a", "b"), np.array([0, 1])), numbers])
    with pytest.raises(UserError, match="must be of one kind, and these are image and text"):
        pooled([numbers, replace(numbers, kind="image")])
    assert pooled([]) is None


def test_data_of_several_domains_is_one_source(tmp_path: Path) -> None:
    for name in ("one", "two", "three+data:four"):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "".join(f"{name} {i},{i % 2}\n" for i in range(4)))
    uris = [f"data:{tmp_path / name}.csv" for name in ("one", "two", "three+data:four")]
    assert parts_of("+".join(uris[:2])) == tuple(uris[:2])
    assert parts_of(uris[2]) == (uris[2],)  # a file of that name
    both = labelled_data("+".join(uris[:2]))
    assert (len(both), both.classes) == (8, ("0", "1"))
    assert both.domains is not None
    assert both.domains.tolist() == [0] * 4 + [1] * 4
