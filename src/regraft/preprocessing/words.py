"""Text by whole words."""

import re

from regraft.core.config import settings
from regraft.preprocessing._listed import Listed

UNKNOWN = "<unk>"
_PARTS = re.compile(r"[\u3400-\u9fff\u3040-\u30ff]|\w+(?:['\u2019]\w+)?|[^\w\s]")  # Chinese and kana stand alone


@settings
class Words(Listed):
    """Text by words of a given vocabulary, in lower case; punctuation marks and Chinese characters stand alone."""

    def parts(self, text: str) -> list[str]:
        """See `Listed.parts`."""
        return split(text)


def split(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _PARTS.findall(text.lower())
