"""Text by characters."""

from regraft.core.config import settings
from regraft.preprocessing._listed import Listed


@settings
class Characters(Listed):
    """Text by characters of a given vocabulary, capitals and spaces included."""

    def parts(self, text: str) -> list[str]:
        """See `Listed.parts`."""
        return list(text)
