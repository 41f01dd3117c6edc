"""Connect the user's own values to hyper-parameters: recorded by hand, overridden under an agent.

All kinds of things that can be connected are seen as a mapping from names to values, with ``/`` between the
levels of nested dictionaries.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, MutableMapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from clearq.errors import UsageError
from clearq.models import Parameter
from clearq.sdk.values import to_parameter, to_value

#: Section of what is connected without a name, and of command lines.
GENERAL, ARGS = "General", "Args"


def exchange(
    values: MutableMapping[str, Any], section: str, stored: Mapping[str, Parameter], *, override: bool
) -> dict[str, Parameter]:
    """Parameters to record for the (nested) ``values``; with ``override``, first update them from ``stored``.

    Values keep the type they had; entries of the section that ``values`` lacks are added to it.
    Raises :class:`~clearq.errors.UsageError` when a stored text is no value of the type it must have.
    """
    if override:
        _override(values, section, stored)
    return {f"{section}/{name}": to_parameter(value) for name, value in flat(values)}


def flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """The leaves of nested dictionaries; an empty dictionary is a leaf."""
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{path}/")
        else:
            yield path, value


def nested(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The reverse of :func:`flat`: ``a/b`` becomes an entry ``b`` in a dictionary ``a``."""
    result: dict[str, Any] = {}
    for name, value in values:
        *path, last = name.split("/")
        level = result
        for part in path:
            inner = level.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = level[part] = {}
            level = inner
        level[last] = value
    return result


def stored_value(name: str, parameter: Parameter, like: Any = None) -> Any:
    """The stored parameter as a value of ``like``'s type; an error names the parameter."""
    try:
        return to_value(parameter, like)
    except UsageError as error:
        raise UsageError(f"parameter {name}: {error}") from error


def _override(values: MutableMapping[str, Any], section: str, stored: Mapping[str, Parameter]) -> None:
    places = dict(_places(values))
    for full_name, parameter in stored.items():
        head, _, name = full_name.partition("/")
        if head != section or not name:
            continue
        level, key = places.get(name) or _new_place(values, name)
        level[key] = stored_value(full_name, parameter, level.get(key))


def _places(
    values: MutableMapping[Any, Any], above: str = ""
) -> Iterable[tuple[str, tuple[MutableMapping[Any, Any], Any]]]:
    """Where each leaf stands: its path, then the dictionary and the key (which need not be a text)."""
    for key, value in values.items():
        if isinstance(value, MutableMapping) and value:
            yield from _places(value, f"{above}{key}/")
        else:
            yield f"{above}{key}", (values, key)


def _new_place(values: MutableMapping[str, Any], name: str) -> tuple[MutableMapping[str, Any], str]:
    """Where an entry goes that the user's dictionary lacks: as deep as its dictionaries reach."""
    head, separator, rest = name.partition("/")
    inner = values.get(head)
    if separator and isinstance(inner, MutableMapping):
        return _new_place(inner, rest)
    return values, name


class Attributes(MutableMapping[str, Any]):
    """An object's or class's public attributes that hold plain values, as a mapping."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def _names(self) -> list[str]:
        target = self._target
        owners = list(target.__mro__) if isinstance(target, type) else [target, *type(target).__mro__]
        names: dict[str, None] = {}
        for owner in reversed(owners):
            if owner is not object:
                names.update(dict.fromkeys(getattr(owner, "__dict__", {})))
                names.update(dict.fromkeys(getattr(owner, "__slots__", ())))
        return [name for name in names if not name.startswith("_") and self._is_value(name)]

    def _is_value(self, name: str) -> bool:
        raw = getattr(type(self._target), name, None)
        if isinstance(raw, property) or not hasattr(self._target, name):
            return False
        value = getattr(self._target, name)
        return not callable(value) and not isinstance(value, property)

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._target, name)
        except AttributeError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self and self[name] is value:
            return
        try:
            setattr(self._target, name, value)
        except AttributeError as error:
            raise UsageError(f"the connected object does not let {name!r} be set to {value!r}") from error

    def __delitem__(self, name: str) -> None:
        delattr(self._target, name)

    def __iter__(self) -> Any:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


class Arguments(Attributes):
    """A parsed command line as a mapping: without its functions, open files by their names."""

    def __init__(self, target: argparse.Namespace) -> None:
        super().__init__(target)

    def _names(self) -> list[str]:
        values = vars(self._target)
        return [name for name, value in values.items() if not name.startswith("_") and not callable(value)]


_NO_OWNERS = (str, bytes, int, float, list, tuple, set, FunctionType, BuiltinFunctionType, MethodType, ModuleType)


def view(mutable: Any) -> tuple[MutableMapping[str, Any], str]:
    """``mutable`` as a mapping, and the section it belongs to when it is not named.

    Raises :class:`~clearq.errors.UsageError` for what cannot be connected.
    """
    if isinstance(mutable, MutableMapping):
        return mutable, GENERAL
    if isinstance(mutable, argparse.Namespace):
        return Arguments(mutable), ARGS
    if mutable is None or isinstance(mutable, _NO_OWNERS):
        raise UsageError(
            f"connect() takes a dict, an argparse parser or namespace, a class or an object, "
            f"not {type(mutable).__name__}"
        )
    return Attributes(mutable), GENERAL
