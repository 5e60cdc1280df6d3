"""Texts listed in a table."""

import hashlib
from dataclasses import replace
from pathlib import Path

from regraft.core.config import settings
from regraft.data.examples import Examples, Skipped
from regraft.readers._base import Reader, targets
from regraft.readers._rows import header, is_table, load
from regraft.readers._sets import label_cells


@settings
class TextTable(Reader):
    """A CSV file (or TSV, JSON lines, Parquet) with the columns text and label (or what --label names).

    A column ``group`` keeps texts together in every split (an empty one stands alone); other columns are ignored.
    Commas, semicolons and tabs separate; a byte-order mark is fine. Rows without a text are skipped. Texts are in the
    order of the file, classes in natural order.
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A table that has a column text."""
        return kind in ("auto", "text") and is_table(path) and "text" in header(path)

    def read(self, path: Path) -> Examples:
        """The texts that ``path`` lists.

        Raises:
            UserError: a column is missing (with the nearest name), or a row has a text but no label.
        """
        table = load(path)
        kept = [i for i, cell in enumerate(table.cells) if cell["text"]]
        full = replace(table, numbers=tuple(table.numbers[i] for i in kept), cells=tuple(table.cells[i] for i in kept))
        cells = label_cells(full, self.label, self.task) if self.labelled else []
        empty = sorted(set(table.numbers) - set(full.numbers))
        texts = tuple(cell["text"] for cell in full.cells)
        labels, classes = targets(cells, self.task) if self.labelled else (None, ())
        ids = tuple(f"row {number}" for number in full.numbers)
        grouped = "group" in table.columns
        groups = tuple(cell["group"] or name for cell, name in zip(full.cells, ids, strict=True)) if grouped else None
        digests = tuple(hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in texts)
        skipped = tuple(Skipped(path, f"row {number} has no text") for number in empty)
        return Examples(ids, digests, texts, labels, classes, groups, skipped, "text", label=self.label)
