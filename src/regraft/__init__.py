"""Deep transfer learning that chooses its sources and proves that the transfer helped.

The names below are loaded when they are first used: importing regraft imports neither torch nor anything heavy.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "run": "regraft.api",
    "train": "regraft.api",
    "load": "regraft.api",
    "shift": "regraft.api",
    "average": "regraft.api",
    "Result": "regraft.api",
    "Kept": "regraft.api",
    "judge": "regraft.guard",
    "names": "regraft.core.catalog",
    "find": "regraft.core.catalog",
    "Evidence": "regraft.scores._base",
    "Seen": "regraft.selectors._base",
    "UserError": "regraft.core.errors",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'regraft' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
