"""What a weights file gave to a network, and what it did not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAMED = 3
"""Names of tensors in a sentence, at most."""


@dataclass(frozen=True)
class Carried:
    """The tensors of a weights file and of a network, by name, with how many numbers each has.

    ``kept``: taken as they are. ``resized``: taken, at another size or for another number of channels. ``new``: in the
    network only, and still random. ``left``: in the file only. ``classifier``: in the file, for its own classes: no
    part of the features. ``recognises``: whether that classifier fits, too. ``prefix``: what stood before the names in
    the file and was taken away or, after a +, was put there.
    """

    kept: Mapping[str, int]
    resized: Mapping[str, int]
    new: Mapping[str, int]
    left: Mapping[str, int]
    classifier: Mapping[str, int]
    recognises: bool = False
    prefix: str = ""

    @classmethod
    def whole(cls, tensors: Mapping[str, int]) -> "Carried":
        """All of a file is all of a network."""
        return cls(dict(tensors), {}, {}, {}, {})

    @property
    def sentence(self) -> str:
        """In a line: how much was carried over, and what was not, by name."""
        taken = {**self.kept, **self.resized}
        said = [f"{len(taken)} of {len(taken) + len(self.new)} tensors carried over ({sum(taken.values()):,} numbers)"]
        if self.resized:
            said.append(f"of these resized: {_names(self.resized)}")
        said.append(f"new: {_names(self.new)}" if self.new else "nothing new")
        behind = {**self.classifier, **self.left}
        said.append(f"left behind: {_names(behind)}" if behind else "nothing left behind")
        if self.prefix:
            how = "put before" if self.prefix[0] == "+" else "taken from before"
            said.append(f"{self.prefix.lstrip('+')!r} was {how} its names")
        return "; ".join(said)

    @property
    def plain(self) -> dict[str, Any]:
        """For JSON: tensors and numbers of each part, and the names in all but the first."""
        found: dict[str, Any] = {"prefix": self.prefix, "recognises": self.recognises}
        for name in ("kept", "resized", "new", "left", "classifier"):
            part: Mapping[str, int] = getattr(self, name)
            named = {} if name == "kept" else {"names": list(part)}
            found[name] = {"tensors": len(part), "numbers": sum(part.values()), **named}
        return found


def _names(part: Mapping[str, int]) -> str:
    more = f" and {len(part) - _NAMED} more" if len(part) > _NAMED else ""
    return f"{', '.join(list(part)[:_NAMED])}{more} ({sum(part.values()):,} numbers)"
