"""Pictures listed in a table."""

from pathlib import Path

from regraft.core.config import settings
from regraft.data.examples import Examples
from regraft.readers._base import Reader
from regraft.readers._paths import in_table, lists_files
from regraft.readers._read import checked


@settings
class ImageTable(Reader):
    """A CSV file (or TSV, JSON lines, Parquet) with the columns path and label (or what --label names).

    Paths are relative to the file. A column ``group`` keeps examples together in every split (an empty one stands
    alone); other columns are ignored. In CSV files commas, semicolons and tabs separate; a byte-order mark is fine.
    Parquet files, and folders of the library `datasets` of Hugging Face, may hold the pictures themselves. Classes are
    in natural order, pictures in the order of their paths.
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A table that has a column path but no column text, and does not list or hold recordings."""
        return lists_files(path, "image", kind)

    def read(self, path: Path) -> Examples:
        """The pictures that ``path`` lists.

        Raises:
            UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its
                file does not exist; names the row by its line in the file.
        """
        return checked(in_table(path, self, "image"))
