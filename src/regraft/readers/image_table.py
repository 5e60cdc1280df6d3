"""Pictures listed in a table."""

from pathlib import Path

from regraft.core.config import settings
from regraft.data.examples import Examples
from regraft.readers._base import Reader
from regraft.readers._paths import in_table, lists_files, lists_sounds
from regraft.readers._read import checked


@settings
class ImageTable(Reader):
    """A CSV file with a header and the columns path and label (or what --label names).

    Paths are relative to the file. A column ``group`` keeps examples together in every split (an empty one stands
    alone); other columns are ignored. Commas, semicolons and tabs separate; a byte-order mark is fine. Classes are in
    natural order, pictures in the order of their paths.
    """

    @staticmethod
    def matches(path: Path) -> bool:
        """A file that ends in .csv or .tsv, has a column path but no column text, and does not list recordings."""
        return lists_files(path) and not lists_sounds(path)

    def read(self, path: Path) -> Examples:
        """The pictures that ``path`` lists.

        Raises:
            UserError: a column is missing (with the nearest name), a row is incomplete or contradicts another, or its
                file does not exist; names the row by its line in the file.
        """
        return checked(in_table(path, self, "image"))
