"""Findings as they were kept, back as the rules take them."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

F = TypeVar("F")


def from_json(kind: type[F], stored: Mapping[str, Any]) -> F:
    """Findings of this kind from what `as_json` wrote; what a kind has no field for is left out."""
    hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    names = [field.name for field in fields(kind) if field.name in stored]  # type: ignore[arg-type]
    return kind(**{name: _read(hints[name], stored[name]) for name in names})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any) -> Any:
    plain = (
        next((one for one in get_args(hint) if one is not type(None)), hint) if isinstance(hint, UnionType) else hint
    )
    return value if value is None else _reader(plain)(value)


def _reader(plain: Any) -> Callable[[Any], Any]:
    if plain is dt.datetime:
        return dt.datetime.fromisoformat
    is_text = plain is Decimal or (isinstance(plain, type) and issubclass(plain, StrEnum))
    return plain if is_text else lambda value: value
