"""The user's own code: the class or function that makes a network, found by the file or the module it is in."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from regraft.core.errors import UserError


def factory(arch: str) -> Callable[[], Any]:
    """What ``path/to/file.py:name`` or ``package.module:name`` names. The file is imported, so its code is run.

    Raises:
        UserError: there is no such file, module or name, or importing it fails.
    """
    place, name = _parts(arch)
    path = file_of(arch)
    try:
        module = _imported(path, digest_of(arch)) if _is_file(place) else _by_name(place)
    except Exception as error:  # the user's code may raise anything
        raise UserError(f"{path} cannot be imported ({type(error).__name__}: {error}); correct it") from error
    made = getattr(module, name, None)
    if not callable(made):
        known = [n for n, v in vars(module).items() if callable(v) and n[0] != "_"]
        raise UserError(f"{path} has no class or function {name!r}; it has {', '.join(known[:9]) or 'none'}")
    return made


def network(arch: str, code: str = "") -> nn.Module:
    """The untrained network that the code gives; ``code``: the SHA-256 that its file must have, empty for any.

    Raises:
        UserError: there is no such code, it was changed since it was saved, or it gives no network.
    """
    if code and digest_of(arch) != code:
        raise UserError(f"{file_of(arch)} was changed after the model was saved; restore it")
    make = factory(arch)
    try:
        made = make()
    except Exception as error:  # the user's code may raise anything
        raise UserError(
            f"{arch} called without arguments fails ({type(error).__name__}: {error}); name a function that makes the "
            f"network without any"
        ) from error
    if not isinstance(made, nn.Module):
        raise UserError(f"{arch} gives a {type(made).__name__}; it must give a torch.nn.Module")
    return made.float()


def refuse_fixed(arch: str, network: nn.Module, again: nn.Module) -> None:
    """Refuse code that gives the same weights at two calls.

    Raises:
        UserError: it does.
    """
    drawn = [(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True) if a.dim() > 1]
    if drawn and all(torch.equal(a, b) for a, b in drawn):
        raise UserError(
            f"{arch} gives the same weights at every call; the model from scratch, which every result is "
            "compared with, needs random ones: load no weights and set no seed in it"
        )


def file_of(arch: str) -> Path:
    """The file in which the network is written.

    Raises:
        UserError: there is none.
    """
    place, _ = _parts(arch)
    if _is_file(place):
        if not Path(place).is_file():
            raise UserError(f"there is no file {place!r} with the network's code; check the path")
        return Path(place).resolve()
    try:
        with _importable(Path.cwd()):
            spec = importlib.util.find_spec(place)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise UserError(f"there is no module {place!r} in this environment; install it, or name its file: FILE.py:NAME")
    return Path(spec.origin)


def digest_of(arch: str) -> str:
    """SHA-256 of the file in which the network is written."""
    path = file_of(arch)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def absolute(arch: str) -> str:
    """The same name, independent of the working folder."""
    place, name = _parts(arch)
    return f"{file_of(arch)}:{name}" if _is_file(place) else arch


def _parts(arch: str) -> tuple[str, str]:
    place, _, name = arch.rpartition(":")
    if not place or not name.isidentifier():
        raise UserError(
            f"source 'torch:{arch}' names no network; write torch:FILE.py:NAME@WEIGHTS or torch:MODULE:NAME@WEIGHTS"
        )
    return place, name


def _is_file(place: str) -> bool:
    return place.endswith(".py")


@cache
def _imported(path: Path, digest: str) -> ModuleType:
    """The module in a file, once for each content."""
    spec = importlib.util.spec_from_file_location(f"regraft_own_{path.stem}_{digest[:12]}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _by_name(module: str) -> ModuleType:
    with _importable(Path.cwd()):
        return importlib.import_module(module)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Inside, modules in ``folder`` can be imported; they hide no other module, so it comes last."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
