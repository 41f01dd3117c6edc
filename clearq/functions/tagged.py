"""JSON with tags for what JSON has not got. The common path is one call of orjson."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

import orjson

from clearq.errors import PayloadError
from clearq.functions.references import ResultOf

#: A dict with this one key is a tag; users' own dicts must not look like it.
TAG = "$clearq"
_MARK = b'{"$clearq":'
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_SERIALIZE_NUMPY
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

_TAGS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
    bytearray: ("bytes", lambda value: base64.b64encode(value).decode()),
    memoryview: ("bytes", lambda value: base64.b64encode(value).decode()),
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("decimal", str),
    complex: ("complex", lambda value: [value.real, value.imag]),
    set: ("set", list),
    frozenset: ("frozenset", list),
    ResultOf: ("result", lambda value: value.id),
}

_BUILD: dict[str, Callable[[Any], Any]] = {
    "bytes": base64.b64decode,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "decimal": Decimal,
    "complex": lambda parts: complex(*parts),
    "set": set,
    "frozenset": frozenset,
    "path": Path,
    "float": _WORDS.__getitem__,
    "int": int,
    "result": ResultOf,
}


def dump(value: Any, what: str = "value") -> bytes:
    """As bytes. Raises PayloadError, saying which type cannot travel."""
    try:
        data = orjson.dumps(value, _substitute, _OPTIONS)
    except TypeError:
        data = _dump_slowly(value, what)
    else:
        # orjson writes NaN and infinities as null: told apart only when there is a null at all.
        if b"null" in data:
            data = _dump_slowly(value, what)
    return data


def _dump_slowly(value: Any, what: str) -> bytes:
    try:
        return orjson.dumps(_tree(value))
    except (TypeError, RecursionError) as error:
        raise PayloadError(
            f"The {what} cannot travel as JSON: {error}. Use plain data, dataclasses or pydantic models, or "
            "declare the task with serializer='pickle'."
        ) from error


def _substitute(value: Any) -> Any:
    """What orjson does not know."""
    entry = _TAGS.get(type(value)) or _inherited(value)
    if entry is not None:
        return {TAG: [entry[0], entry[1](value)]}
    dumped = getattr(type(value), "model_dump", None)
    if dumped is not None:
        return dumped(value, round_trip=True, by_alias=True)
    if hasattr(value, "tolist"):
        return value.tolist()  # numpy: object arrays and what orjson leaves
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} is not JSON")


def _inherited(value: Any) -> tuple[str, Callable[[Any], Any]] | None:
    if isinstance(value, PurePath):
        return "path", str
    for kind, entry in _TAGS.items():
        if isinstance(value, kind):
            return entry
    return None


def _tree(value: Any) -> Any:
    """The whole value as tagged JSON, in Python: for keys that are no strings, NaN, and numbers beyond 64 bits."""
    if value is None or type(value) in (bool, str):
        return value
    if isinstance(value, Enum):
        return _tree(value.value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {TAG: ["float", repr(float(value))]}
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else {TAG: ["int", str(int(value))]}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {_name(name): _tree(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_tree(entry) for entry in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _tree(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, set | frozenset):
        return {TAG: ["frozenset" if isinstance(value, frozenset) else "set", [_tree(entry) for entry in value]]}
    if type(value).__module__ == "uuid":
        return str(value)
    substitute = _substitute(value)
    return substitute if isinstance(substitute, dict) and TAG in substitute else _tree(substitute)


def _name(name: Any) -> str:
    if isinstance(name, Enum):
        name = name.value
    if isinstance(name, str):
        return name
    if isinstance(name, bool | int | float) or name is None or type(name).__module__ == "uuid":
        return str(name)
    raise TypeError(f"a dict key of type {type(name).__qualname__} is not JSON")


def load(data: bytes, what: str = "result") -> Any:
    """The reverse. Raises PayloadError."""
    if not data:
        raise PayloadError(
            f"The {what} cannot be decoded: nothing is left. Arguments are kept until a call has completed."
        )
    try:
        value = orjson.loads(data)
        return _untag(value) if _MARK in data else value
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise PayloadError(f"The {what} cannot be decoded: {error}") from error


def _untag(value: Any) -> Any:
    if isinstance(value, list):
        return [_untag(entry) for entry in value]
    if isinstance(value, dict):
        if len(value) == 1 and TAG in value:
            kind, body = value[TAG]
            return _BUILD[kind](_untag(body) if kind in ("set", "frozenset") else body)
        return {name: _untag(entry) for name, entry in value.items()}
    return value
