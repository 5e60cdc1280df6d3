"""Text by whole words."""

import hashlib
import re
from collections.abc import Sequence
from functools import cache

from regraft.core.config import settings
from regraft.preprocessing._text import Text

UNKNOWN = "<unk>"
_PARTS = re.compile(r"[\u3400-\u9fff\u3040-\u30ff]|\w+(?:['\u2019]\w+)?|[^\w\s]")  # Chinese and kana stand alone


@settings
class Words(Text):
    """Text by words of a given vocabulary, in lower case; punctuation marks and Chinese characters stand alone."""

    vocabulary: tuple[str, ...] = ()
    """Word ``i`` is the ``i``-th; the first stands for everything unknown."""

    @property
    def key(self) -> str:
        """See `Preprocess.key`."""
        known = hashlib.blake2b("\n".join(self.vocabulary).encode(), digest_size=8).hexdigest()
        return f"words-{known}-{self.length}"

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """See `Text.tokenize`."""
        places = _places(self.vocabulary)
        return [[places.get(word, 0) for word in split(text)[: self.length]] or [0] for text in texts]

    def unknown(self, texts: Sequence[str]) -> float:
        """Share of the words in ``texts`` that are not in the vocabulary."""
        places = _places(self.vocabulary)
        found = [word in places for text in texts for word in split(text)]
        return found.count(False) / max(1, len(found))


def split(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _PARTS.findall(text.lower())


@cache
def _places(vocabulary: tuple[str, ...]) -> dict[str, int]:
    return {word: i for i, word in enumerate(vocabulary)}
