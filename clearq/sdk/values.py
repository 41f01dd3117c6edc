"""Values of hyper-parameters: text with a type's name in the task, Python values in the program."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from enum import Enum
from pathlib import PurePath
from typing import Any

from clearq.errors import UsageError
from clearq.models import Parameter

_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n", "", "none"})


def to_parameter(value: Any, description: str = "") -> Parameter:
    """``value`` as text with the name of its type."""
    value = _plain(value)
    return Parameter(value=clean(_text(value)), type=_kind(value), description=description)


def clean(text: str) -> str:
    """``text`` without what no server takes: halves of characters, as in file names that are not UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def to_value(parameter: Parameter, like: Any = None) -> Any:
    """The parameter as a Python value of the type of ``like``; of its recorded type where that is None.

    Raises :class:`~clearq.errors.UsageError` when the text is no value of that type.
    """
    if like is not None and to_parameter(like).value == parameter.value:
        return like
    if isinstance(like, Enum):
        return _enum(parameter.value, type(like))
    if isinstance(like, PurePath):
        return type(like)(parameter.value)
    kind = parameter.type if like is None else _kind(_plain(like))
    return cast(parameter.value, kind)


def cast(text: str, kind: str) -> Any:
    """``text`` as a value of the type named ``kind``; an unknown type leaves it as it is."""
    convert = _CASTS.get(kind)
    if convert is None:
        return text
    try:
        return convert(text)
    except (ValueError, SyntaxError, TypeError) as error:
        raise UsageError(f"{text!r} is not a value of type {kind}") from error


def _plain(value: Any) -> Any:
    """A numpy or torch scalar as the Python number it stands for."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return value


def _kind(value: Any) -> str:
    for base in (bool, int, float, str, list, tuple, dict):
        if isinstance(value, base) and not isinstance(value, Enum):
            return base.__name__
    return type(value).__name__


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list | tuple | dict):
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            return repr(value)
    return str(value)


def _enum(text: str, kind: type[Enum]) -> Enum:
    for member in kind:
        if text in (member.name, str(member.value), str(member)):
            return member
    raise UsageError(f"{text!r} is none of {', '.join(kind.__members__)}")


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def _none(text: str) -> str | None:
    return None if text in ("", "None") else text


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return ast.literal_eval(text)


def _list(text: str) -> list[Any]:
    try:
        value = _literal(text)
    except (ValueError, SyntaxError):
        return [part.strip() for part in text.split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple | set) else [value]


def _dict(text: str) -> dict[str, Any]:
    value = _literal(text or "{}")
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


_CASTS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "bool": _bool,
    "int": _int,
    "float": float,
    "list": _list,
    "tuple": lambda text: tuple(_list(text)),
    "dict": _dict,
    "NoneType": _none,
}
