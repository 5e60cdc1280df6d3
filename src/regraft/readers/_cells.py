"""Values of other programs' types as the text of a cell."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np

_EXACT = 2.0**53  # up to here every whole number is a float of its own


def text_of(value: Any) -> str | None:
    """The text that a CSV file would hold: whole numbers without a fraction, ISO dates, nothing for a missing value.

    None for what no cell holds: lists, objects, bytes.
    """
    if isinstance(value, float):  # the commonest in wide tables, so it comes first
        whole = value.is_integer() and abs(value) < _EXACT
        return "" if value != value else str(int(value)) if whole else float.__repr__(value)  # not NumPy's own
    if value is None or isinstance(value, str):
        return (value or "").strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, date | time):  # a datetime is a date, too
        return value.isoformat()
    return text_of(value.item()) if isinstance(value, np.generic) else None
