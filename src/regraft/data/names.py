"""Classes of two label spaces that have the same name."""

from collections import Counter
from collections.abc import Iterable, Sequence


def shared(ours: Sequence[str], theirs: Sequence[str]) -> dict[int, int]:
    """Which of ``theirs`` each of ``ours`` is called, by index; classes without a namesake are left out.

    Case, hyphens, underscores and the plural do not matter, everything else does. A name that fits two (ImageNet has
    two cranes, a bird and a machine) fits none, unless one of them is spelled the same.
    """
    singular, plural = _index((_plain(n),) for n in theirs), _index(_plurals(_plain(n)) for n in theirs)
    found: dict[int, list[int]] = {}
    for place, name in enumerate(ours):
        alike = {*singular.get(_plain(name), ()), *plural.get(_plain(name), ())}
        alike |= {row for form in _plurals(_plain(name)) for row in singular.get(form, ())}
        same = [row for row in alike if theirs[row] == name]
        found[place] = same or sorted(alike)
    times = Counter(row for rows in found.values() for row in rows)
    single = {place: rows[0] for place, rows in found.items() if len(rows) == 1}
    return {place: row for place, row in single.items() if times[row] == 1 or ours[place] == theirs[row]}


def _index(forms: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, each in enumerate(forms):
        for form in each:
            found.setdefault(form, []).append(row)
    return found


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _plurals(plain: str) -> list[str]:
    if not plain or not plain[-1].isalpha():  # numbers and signs have none
        return []
    return [plain + "s", plain + "es", *([plain[:-1] + "ies"] if plain.endswith("y") else [])]
