"""Lengths of time as people write them."""

import re

from regraft.core.errors import UserError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str) -> float | None:
    """Seconds of ``90s``, ``10m``, ``2h`` or ``1.5h``; None for ``none``.

    Raises:
        UserError: it is not a length of time.
    """
    if text == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip())
    if not match or float(match[1]) <= 0:
        raise UserError(f"option 'budget' is {text!r}; write a time such as 90s, 10m or 2h, or none")
    return float(match[1]) * _UNITS[match[2]]


def readable(seconds: float) -> str:
    """``95`` as ``1m 35s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.0f}s"
    return f"{whole // 60}m {whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h {whole % 3600 // 60:02d}m"
