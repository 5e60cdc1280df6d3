"""Text by the entries of a list: words or characters."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from functools import cache

from regraft.core.config import settings
from regraft.preprocessing._text import Text


@settings
class Listed(Text):
    """Texts cut into parts, each the number of its place in a vocabulary."""

    vocabulary: tuple[str, ...] = ()
    """Part ``i`` is the ``i``-th; the first stands for everything unknown."""

    @abstractmethod
    def parts(self, text: str) -> list[str]:
        """The parts of a text, in order."""

    @property
    def key(self) -> str:
        """See `Preprocess.key`."""
        known = hashlib.blake2b("\n".join(self.vocabulary).encode(), digest_size=8).hexdigest()
        return f"{type(self).__name__.lower()}-{known}-{self.length}"

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """See `Text.tokenize`."""
        places = _places(self.vocabulary)
        return [[places.get(part, 0) for part in self.parts(text)[: self.length]] or [0] for text in texts]

    def unknown(self, texts: Sequence[str]) -> float:
        """Share of the parts of ``texts`` that are not in the vocabulary."""
        places = _places(self.vocabulary)
        found = [part in places for text in texts for part in self.parts(text)]
        return found.count(False) / max(1, len(found))


@cache
def _places(vocabulary: tuple[str, ...]) -> dict[str, int]:
    return {part: i for i, part in enumerate(vocabulary)}
