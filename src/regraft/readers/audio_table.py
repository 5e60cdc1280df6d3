"""Recordings listed in a table."""

from pathlib import Path

from regraft.core.config import settings
from regraft.data.examples import Examples
from regraft.readers._base import Reader
from regraft.readers._paths import in_table, lists_files
from regraft.readers._read import checked


@settings
class AudioTable(Reader):
    """A CSV file (or TSV, JSON lines, Parquet) with the columns path (of recordings) and label (or what --label names).

    A column ``group`` keeps examples together in every split: the recordings of one speaker, for instance. Everything
    else is as in tables of pictures.
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A table that lists or holds recordings, by the endings or first bytes of most of them."""
        return lists_files(path, "audio", kind)

    def read(self, path: Path) -> Examples:
        """The recordings that ``path`` lists.

        Raises:
            UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its
                file does not exist; names the row by its line in the file. Or the library that reads recordings is not
                installed.
        """
        return checked(in_table(path, self, "audio"))
