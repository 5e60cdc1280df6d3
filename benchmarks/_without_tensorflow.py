"""adapt without tensorflow, which its closed forms import and do not compute with.

One process cannot load both tensorflow and torch where each brings an LLVM of its own. So names of tensorflow (and of
scikeras, which needs it) are found as empty classes while the benchmark runs; no deep method of adapt takes part.
"""

import contextlib
import importlib
import importlib.machinery
import os
import sys
import types
from typing import Any, ClassVar

_AWAY = ("tensorflow", "scikeras")


class _Empty(type):
    """A class that has any other as an attribute."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(name, (), {"__init__": lambda self, *args, **options: None})


class _Module(types.ModuleType):
    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(_Empty("tensorflow", (), {}), name)


class _Finder:
    """Finds the modules that are to be away."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return importlib.machinery.ModuleSpec(name, self) if name.split(".")[0] in _AWAY else None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def load() -> bool:
    """Import the closed forms of adapt; whether they are there. Libraries that use tensorflow come before."""
    os.environ["POT_BACKEND_DISABLE_TENSORFLOW"] = "1"
    for name in ("ot", "skada.deep", "pytorch_adapt.hooks"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]
    try:
        importlib.import_module("adapt.instance_based")
        importlib.import_module("adapt.feature_based")
    except ImportError:
        return False
    return True
