"""Rows of a table: what their cells are (numbers, dates, categories or nothing), and which columns two tables share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Literal

from regraft.core.errors import UserError
from regraft.data.examples import Examples, together

Kind = Literal["number", "date", "category", "empty"]
"""What the values of a column are."""
_MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})
_DATES = ("%Y/%m/%d", "%d.%m.%Y")  # 3/4/2024 is left out: it is another day in another country
_LAST = ("f", "F", "y", "Y")  # of an infinite number's name: most cells need not be looked at further
_EPOCH = datetime(1970, 1, 1)

UNSHARED = "columns of the"
"""How what was found begins where one of two tables has columns that the other lacks."""
DIGITS = 3
"""Significant digits in which numbers of copies agree: some programs round."""
TELLING = 0.9
"""Share of the target's different rows that the columns of a copy must still tell apart."""


@dataclass(frozen=True)
class Row:
    """The cells of one example by column, in the order of the file; a missing value is an empty text."""

    cells: tuple[tuple[str, str], ...]

    @cached_property
    def values(self) -> dict[str, str]:
        """The text of each cell by its column."""
        return dict(self.cells)

    def only(self, names: Iterable[str]) -> "Row":
        """The row without the columns that are not among ``names``."""
        kept = set(names)
        return Row(tuple(cell for cell in self.cells if cell[0] in kept))

    def __str__(self) -> str:
        return ", ".join(f"{name} {value or '(missing)'}" for name, value in self.cells)


def cell(text: str) -> str:
    """The text of a cell; empty if that says that the value is missing."""
    return "" if text.lower() in _MISSING else text


def infinite(text: str) -> bool:
    """Whether a cell holds an infinite number."""
    return text[-1:] in _LAST and text.lower().lstrip("+-") in ("inf", "infinity")


def number(text: str) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def date(text: str) -> datetime | None:
    """The day (and time) that a cell holds: 2024-05-01, 2024-05-01T12:30, 2024/05/01 or 01.05.2024; or None."""
    try:
        return _plain(datetime.fromisoformat(text))
    except ValueError:
        pass
    for form in _DATES:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def parts(day: datetime) -> tuple[float, ...]:
    """Year, month, day, weekday and days since 1970."""
    return day.year, day.month, day.day, day.weekday(), (day - _EPOCH) / timedelta(days=1)


def kind_of(texts: Iterable[str]) -> Kind:
    """``number`` or ``date`` if every value of a column is one, ``empty`` if all are missing, else ``category``."""
    known = {text for text in texts if text}
    if not known:
        return "empty"
    if all(number(text) is not None for text in known):
        return "number"
    return "date" if all(date(text) is not None for text in known) else "category"


def mixed(texts: Iterable[str]) -> str:
    """A value that keeps the other values of a column from being numbers, or an empty text."""
    known = sorted({text for text in texts if text})
    words = [text for text in known if number(text) is None]
    return words[0] if words and len(words) < len(known) else ""


def names_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of a table, in its order."""
    return tuple(dict.fromkeys(name for row in rows for name, _ in row.cells))


def shared(source: Examples, target: Examples) -> tuple[Examples, dict[str, str]]:
    """The rows of both tables with the columns that both have, without labels; and what was found, in words.

    Raises:
        UserError: they have no column in common; names those of both.
    """
    ours, theirs = names_of(target.items), names_of(source.items)
    both = [name for name in ours if name in theirs]
    if not both:
        raise UserError(
            f"the source has the columns {_listed(theirs)} and the target {_listed(ours)}: none in common; "
            f"give what they share the same name in both"
        )
    found = {"columns": f"{len(both)} of the target's {len(ours)}, by name: {_listed(both)}"}
    for whose, names, others in (("source", theirs, ours), ("target", ours, theirs)):
        lone = [_with_nearest(name, [n for n in others if n not in both]) for name in names if name not in others]
        found |= {f"{UNSHARED} {whose} only, not used": _listed(lone)} if lone else {}
    flat = together(source, target)
    return replace(flat, items=tuple(row.only(both) for row in flat.items)), found


def alike(source: Examples, target: Examples) -> frozenset[str]:
    """Digests of the rows of ``target`` (N) that ``source`` has too, as far as the columns of both say.

    Columns are matched by name; numbers are the same if they round to the same `DIGITS` significant digits, and words
    whatever their case. Nothing is said where these columns do not tell the target's own rows apart about as well as
    all columns do (`TELLING` of them): then rows are alike by chance.
    """
    both = set(names_of(source.items)) & set(names_of(target.items))
    whole = len(set(target.digests))
    for rounded in (True, False):
        ours, theirs = ([_key(row, both, rounded) for row in each.items] for each in (target, source))
        if both and len(set(ours)) >= TELLING * whole:
            known = set(theirs)
            return frozenset(digest for digest, key in zip(target.digests, ours, strict=True) if key in known)
    return frozenset()


def _key(row: Row, names: Iterable[str], rounded: bool) -> tuple[str, ...]:
    return tuple(_same(row.values.get(name, ""), rounded) for name in sorted(names))


def _same(text: str, rounded: bool) -> str:
    value = number(text)
    return text.casefold() if value is None else f"{value:.{DIGITS if rounded else 15}g}"


def _with_nearest(name: str, others: Sequence[str]) -> str:
    """A column with the one of the other table's, not shared either, that it may be meant to be."""
    near = get_close_matches(name, others, 1, 0.7)
    return f"{name} (is it {near[0]!r}?)" if near else name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _plain(day: datetime) -> datetime:
    return day.replace(tzinfo=None) - (day.utcoffset() or timedelta())
