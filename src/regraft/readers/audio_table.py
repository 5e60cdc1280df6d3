"""Recordings listed in a table."""

from pathlib import Path

from regraft.core.config import settings
from regraft.data.examples import Examples
from regraft.readers._base import Reader
from regraft.readers._paths import in_table, lists_sounds
from regraft.readers._read import checked


@settings
class AudioTable(Reader):
    """A CSV file with a header and the columns path (of wav, flac, mp3 or ogg files) and label (or what --label names).

    A column ``group`` keeps examples together in every split: the recordings of one speaker, for instance. Everything
    else is as in tables of pictures.
    """

    @staticmethod
    def matches(path: Path) -> bool:
        """A file that ends in .csv or .tsv and lists recordings, by the endings of most of them."""
        return lists_sounds(path)

    def read(self, path: Path) -> Examples:
        """The recordings that ``path`` lists.

        Raises:
            UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its
                file does not exist; names the row by its line in the file. Or the library that reads recordings is not
                installed.
        """
        return checked(in_table(path, self, "audio"))
