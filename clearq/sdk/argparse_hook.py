"""Command lines as hyper-parameters: what argparse parsed is recorded, and overridden under an agent.

``ArgumentParser.parse_known_args`` (which ``parse_args`` and sub-commands go through) is replaced once, when
the SDK is imported; until a task listens it only remembers the newest command line, so that ``Task.init`` may
come after ``parse_args``.
"""

from __future__ import annotations

import argparse
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from clearq.errors import UsageError
from clearq.models import Parameter
from clearq.sdk.connect import ARGS, Arguments, exchange, stored_value
from clearq.sdk.values import cast, to_parameter

_original = argparse.ArgumentParser.parse_known_args
_LISTS = ("*", "+", argparse.REMAINDER)


class Listener(Protocol):
    """The task that command lines belong to."""

    @property
    def stored(self) -> Mapping[str, Parameter]:
        """Parameters that win over the command line; empty for a run by hand."""

    def wants(self, name: str, *, explicit: bool) -> bool:
        """Shall the argument ``name`` be recorded? ``explicit``: its parser was connected by the user."""

    def record(self, parameters: Mapping[str, Parameter]) -> None:
        """Add ``parameters`` to the task."""


class _State(threading.local):
    depth = 0


_state = _State()
_listener: Listener | None = None
_connected: weakref.WeakSet[argparse.ArgumentParser] = weakref.WeakSet()
_newest: tuple[argparse.ArgumentParser, argparse.Namespace] | None = None


def install() -> None:
    """Replace ``parse_known_args``; a second call changes nothing."""
    if argparse.ArgumentParser.parse_known_args is not _parse_known_args:
        argparse.ArgumentParser.parse_known_args = _parse_known_args  # type: ignore[method-assign]


def listen(listener: Listener | None) -> None:
    """Command lines belong to ``listener`` from now on, one that was parsed before included."""
    global _listener, _newest
    _listener = listener
    if listener is not None and _newest is not None:
        parser, namespace = _newest
        _newest = None
        _handle(listener, parser, namespace)


def connect_parser(parser: argparse.ArgumentParser) -> None:
    """Record what ``parser`` parses, also where that is switched off for all others."""
    _connected.add(parser)
    if _listener is not None and _newest is not None and _newest[0] is parser:
        _handle(_listener, *_newest)


def _parse_known_args(
    self: argparse.ArgumentParser, args: Any = None, namespace: Any = None, **options: Any
) -> tuple[Any, list[str]]:
    if _state.depth:
        return _original(self, args, namespace, **options)
    _state.depth += 1
    try:
        with _relaxed(self, _listener.stored if _listener else {}):
            result, rest = _original(self, args, namespace, **options)
    finally:
        _state.depth -= 1
    _parsed(self, result)
    return result, rest


def _parsed(parser: argparse.ArgumentParser, namespace: Any) -> None:
    global _newest
    if isinstance(namespace, argparse.Namespace):
        _newest = (parser, namespace)
        if _listener is not None:
            _handle(_listener, parser, namespace)


def _handle(listener: Listener, parser: argparse.ArgumentParser, namespace: argparse.Namespace) -> None:
    explicit = parser in _connected
    actions = dict(_actions(parser, namespace))
    for name, value in vars(namespace).items():
        parameter = listener.stored.get(f"{ARGS}/{name}")
        if parameter is not None and listener.wants(name, explicit=explicit):
            setattr(namespace, name, _value(actions.get(name), parameter, value, name))
    recorded = exchange(Arguments(namespace), ARGS, {}, override=False)
    wanted = {
        full: parameter
        for full, parameter in recorded.items()
        if listener.wants(full.partition("/")[2], explicit=explicit)
    }
    if wanted:
        listener.record(wanted)


def _actions(
    parser: argparse.ArgumentParser, namespace: argparse.Namespace | None = None
) -> Iterator[tuple[str, argparse.Action]]:
    """Arguments by the name they have in the namespace; those of the chosen sub-command come last and win."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            yield action.dest, action
            continue
        yield action.dest, action
        chosen = getattr(namespace, action.dest, None)
        choices = sorted(action.choices.items(), key=lambda item: item[0] == chosen)
        for _, inner in choices:
            yield from _actions(inner, namespace)


def _value(action: argparse.Action | None, parameter: Parameter, current: Any, name: str) -> Any:
    """The stored text as argparse would have made it."""
    if to_parameter(current).value == parameter.value:
        return current
    if action is None or action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return stored_value(f"{ARGS}/{name}", parameter, current)
    if action.nargs in _LISTS or isinstance(action.nargs, int) or isinstance(action, argparse._AppendAction):
        return [_convert(action, str(part), name) for part in cast(parameter.value, "list")]
    if parameter.value == "" and parameter.type == "NoneType":
        return None
    if action.type is None and current is not None and not isinstance(current, str):
        return stored_value(f"{ARGS}/{name}", parameter, current)
    return _convert(action, parameter.value, name)


def _convert(action: argparse.Action, text: str, name: str) -> Any:
    convert = action.type
    try:
        if convert is bool:  # argparse's own bool("False") is True; nobody means that
            value: Any = cast(text, "bool")
        else:
            value = convert(text) if callable(convert) else text
    except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
        raise UsageError(f"parameter {ARGS}/{name}: {text!r} is not a valid value ({error})") from error
    if action.choices is not None and value not in action.choices:
        names = ", ".join(map(str, action.choices))
        raise UsageError(f"parameter {ARGS}/{name}: {text!r} is none of {names}")
    return value


@contextmanager
def _relaxed(parser: argparse.ArgumentParser, stored: Mapping[str, Parameter]) -> Iterator[None]:
    """Arguments with a stored value need not stand on the command line."""
    undo: list[tuple[Any, str, Any]] = []

    def put(target: Any, name: str, value: Any) -> None:
        undo.append((target, name, getattr(target, name)))
        setattr(target, name, value)

    if stored:
        _relax(parser, stored, put)
    try:
        yield
    finally:
        for target, name, value in reversed(undo):
            setattr(target, name, value)


def _relax(parser: argparse.ArgumentParser, stored: Mapping[str, Parameter], put: Any) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in set(action.choices.values()):
                _relax(inner, stored, put)
        elif f"{ARGS}/{action.dest}" in stored:
            put(action, "required", False)
            if not action.option_strings and action.nargs in (None, "+"):
                put(action, "nargs", "?" if action.nargs is None else "*")
    for group in parser._mutually_exclusive_groups:
        if any(f"{ARGS}/{action.dest}" in stored for action in group._group_actions):
            put(group, "required", False)
