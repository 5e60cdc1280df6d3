"""One definition per option: a field of a frozen dataclass with its docstring under it.

The Python constructor, the YAML file, the flag, ``explain`` and the documentation read that one field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform
from urllib.parse import parse_qsl

import numpy as np
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as _validated
from pydantic_core import CoreSchema, core_schema

from regraft.core import catalog
from regraft.core.errors import UserError, unknown

T = TypeVar("T")
_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make ``cls`` an immutable, keyword-only, validated record of options; a wrong value is a `UserError`."""
    made: Any = _validated(cls, frozen=True, kw_only=True, config=_CONFIG)
    construct = made.__init__

    @wraps(construct)
    def checked(self: Any, *positions: Any, **options: Any) -> None:
        try:
            construct(self, *positions, **options)
        except ValidationError as error:
            raise _refused(error, cls.__name__, [f.name for f in fields(made)]) from error

    made.__init__ = checked
    return made


@dataclass(frozen=True)
class Choice:
    """Marks a field that holds an entry of ``kind``: an object, a name, or a mapping with a name and options."""

    kind: str

    def __get_pydantic_core_schema__(self, base: Any, _: GetCoreSchemaHandler) -> CoreSchema:
        def parse(value: Any) -> Any:
            if isinstance(value, base):
                return value
            if not isinstance(value, str | Mapping):
                raise ValueError(f"expected one of the {self.kind}, got {type(value).__name__}")
            return entry(self.kind, value)

        return core_schema.no_info_plain_validator_function(parse)


def entry(kind: str, value: str | Mapping[str, Any]) -> Any:
    """The entry of ``kind`` that ``value`` names: ``"coral"`` or ``{"name": "mmd", "scales": [1.0]}``.

    A text may have options too: ``"l2_sp?weight=0.1&descent.rate=0.01"``; ``none`` stands for None.

    Raises:
        UserError: an unknown name or option, or a value of the wrong type.
    """
    if isinstance(value, str):
        name, _, query = value.partition("?")
        cls = catalog.find(kind, name)
        return build(cls, _asked(cls, parse_qsl(query, keep_blank_values=True)), f"{kind}/{name}")
    options = dict(value)
    name = str(options.pop("name", ""))
    return build(catalog.find(kind, name), options, f"{kind}/{name}")


def _asked(cls: type, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Options of ``cls`` from texts; ``a.b`` is the option b of what the option a is by default."""
    defaults = {f.name: f.default for f in fields(cls)}
    found: dict[str, Any] = {}
    for key, text in pairs:
        outer, _, inner = key.partition(".")
        value = None if text == "none" else text
        if inner and is_dataclass(defaults.get(outer)):
            found.setdefault(outer, to_plain(defaults[outer]))[inner] = value
        else:
            found[key] = value
    return found


def build(cls: type[T], options: Mapping[str, Any], where: str = "") -> T:
    """Construct ``cls`` from plain data.

    Raises:
        UserError: an unknown option or a value of the wrong type; names the option and the fix.
    """
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            parts = {f.name: f.default for f in fields(cls) if is_dataclass(f.default)}  # type: ignore[arg-type]
            nested = [f"{outer}.{inner.name}" for outer, part in parts.items() for inner in fields(part)]
            meant = [path for path in nested if path.endswith(f".{name}")]
            if meant:
                raise UserError(f"no option of {where or cls.__name__} named {name!r}; write {' or '.join(meant)}")
            raise unknown(f"option of {where or cls.__name__}", name, [*known, *nested])
    try:
        return TypeAdapter(cls).validate_python(dict(options))
    except ValidationError as error:
        raise _refused(error, where or cls.__name__, known) from error


def _refused(error: ValidationError, where: str, known: Sequence[str]) -> UserError:
    for one in error.errors():
        if one["type"] == "unexpected_keyword_argument":
            return unknown(f"option of {where}", str(one["loc"][-1]), known)
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"] if part not in fields_of_union(part))
    return UserError(f"option {path!r} of {where}: {_sentence(first)}")


def fields_of_union(part: object) -> tuple[str, ...]:
    """The parts of an error's path that pydantic adds for unions; they mean nothing to a user."""
    added = ("int", "float", "str", "bool", "none", "constrained-int", "constrained-float")
    return added if isinstance(part, str) else ()


_SAID = {
    "int_parsing": "must be a whole number", "int_type": "must be a whole number",
    "int_from_float": "must be a whole number", "float_parsing": "must be a number", "float_type": "must be a number",
    "bool_parsing": "must be true or false", "bool_type": "must be true or false", "string_type": "must be a text",
    "tuple_type": "must be a list", "path_type": "must be a path",
    "too_short": "must have more items",
}  # fmt: skip


def _sentence(error: Mapping[str, Any]) -> str:
    said = _SAID.get(error["type"], error["msg"].removeprefix("Value error, ").replace("Input should be", "must be"))
    return f"{said}, got {error['input']!r}"


def to_plain(value: Any) -> Any:
    """Plain data (for JSON and YAML) from which ``build`` makes an equal object."""
    if is_dataclass(value) and not isinstance(value, type):
        name = catalog.name_of(type(value))
        body = {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
        return {"name": name, **body} if name else body
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
