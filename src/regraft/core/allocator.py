"""How the C library gives out memory."""

import ctypes
import sys


def keep_freed() -> None:
    """Let this process keep what it frees: fresh pages for every activation cost a fifth of the time or more.

    For programs, not for libraries, because it holds for the whole process. Only glibc has `mallopt`; the numbers are
    its M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20)):
            mallopt(parameter, value)
