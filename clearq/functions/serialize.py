"""Arguments and results as bytes: JSON, and signed pickle where a task asks for it by name.

What JSON has not got is tagged (``{"$clearq": ["bytes", "aGk="]}``), so that it comes back as it was; dataclasses,
pydantic models, enums, UUIDs and tuples travel as their JSON and come back as the function's annotations say.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import orjson

from clearq.errors import PayloadError
from clearq.functions.annotated import Check, checks_of
from clearq.functions.inject import Injected
from clearq.functions.options import Serializer
from clearq.functions.references import ResultOf
from clearq.functions.tagged import dump, load

__all__ = ["Codec", "dump", "load", "load_any"]

_PICKLE = b"\x00p1"
_DIGEST = 32
_EMPTY = b"[]"
_NULL = b"null"


class Codec:
    """How the arguments and results of one function travel. Checks are made on first use, by the worker."""

    def __init__(self, name: str, function: Callable[..., Any], serializer: Serializer = "json") -> None:
        self.name = name
        self.serializer = serializer
        self._function = function
        self._signature = inspect.signature(function)
        self._checks: dict[str, Check] | None = None
        kinds = [parameter.kind for parameter in self._signature.parameters.values()]
        plain = all(kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds)
        #: How many positional arguments are surely right; for others the signature is asked.
        self._fits = range(self._needed(), len(kinds) + 1) if plain else range(0)
        if self.injected:
            self._fits = range(0)

    @property
    def injected(self) -> bool:
        """Are there parameters that the worker fills?"""
        return any(isinstance(entry.default, Injected) for entry in self._signature.parameters.values())

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters."""
        return list(self._signature.parameters)

    def _needed(self) -> int:
        return sum(entry.default is inspect.Parameter.empty for entry in self._signature.parameters.values())

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Parameter to argument, defaults included. Raises PayloadError for arguments that do not fit."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise PayloadError(f"Wrong arguments for {self.name}{self._signature}: {error}.") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises PayloadError for arguments that do not fit."""
        if kwargs or len(args) not in self._fits:
            self.bind(args, kwargs)

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any], key: bytes = b"") -> bytes:
        """Arguments as bytes: a JSON list, or ``{"a": [...], "k": {...}}`` with keyword arguments.

        Raises PayloadError for wrong arguments and for values that cannot travel.
        """
        if kwargs or len(args) not in self._fits:
            self.bind(args, kwargs)
        elif not args and self.serializer == "json":
            return _EMPTY
        if self.serializer == "pickle":
            return _sign((args, kwargs), key, f"arguments of {self.name}")
        return dump({"a": args, "k": kwargs} if kwargs else args, f"arguments of {self.name}")

    def decode(self, data: bytes, key: bytes = b"") -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The reverse, with each argument as annotated. Raises PayloadError."""
        if data == _EMPTY and 0 in self._fits:
            return (), {}
        args, kwargs = self._unpack(data, key)
        self.check(args, kwargs)
        if data.startswith(_PICKLE):
            return args, kwargs
        return self.typed(args, kwargs)

    def _unpack(self, data: bytes, key: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        what = f"arguments of {self.name}"
        if data.startswith(_PICKLE):
            found = _verified(data, key, what) if self.serializer == "pickle" else _refuse_pickle(what)
            return tuple(found[0]), dict(found[1])
        found = load(data, what)
        if isinstance(found, list):
            return tuple(found), {}
        if isinstance(found, dict) and isinstance(found.get("a"), list) and isinstance(found.get("k"), dict):
            return tuple(found["a"]), found["k"]
        raise PayloadError(f"The {what} are not a list of arguments.")

    def typed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Values from JSON as the parameters' annotations want them. Raises PayloadError."""
        checks = self._made_checks()
        if not checks:
            return args, kwargs
        if args:
            args = tuple(self._positional(checks, args))
        if kwargs:
            kwargs = {name: self._one(checks, self._key(name), value, name) for name, value in kwargs.items()}
        return args, kwargs

    def _positional(self, checks: dict[str, Check], args: tuple[Any, ...]) -> list[Any]:
        names = list(self._signature.parameters)
        values = []
        for place, value in enumerate(args):
            name = names[min(place, len(names) - 1)]
            parameter = self._signature.parameters[name]
            if parameter.kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
                name = next(
                    n for n, p in self._signature.parameters.items() if p.kind is inspect.Parameter.VAR_POSITIONAL
                )
            values.append(self._one(checks, name, value, name))
        return values

    def _key(self, name: str) -> str:
        """The parameter that takes a keyword argument: itself, or ``**others``."""
        if name in self._signature.parameters:
            return name
        return next(n for n, p in self._signature.parameters.items() if p.kind is inspect.Parameter.VAR_KEYWORD)

    def _one(self, checks: dict[str, Check], key: str, value: Any, name: str) -> Any:
        check = checks.get(key)
        if check is None or isinstance(value, ResultOf):
            return value
        return check(value, f"argument {name!r} of {self.name}")

    def encode_result(self, value: Any, key: bytes = b"") -> bytes:
        """The result as bytes. Raises PayloadError for what cannot travel."""
        if self.serializer == "pickle":
            return _sign(value, key, "result")
        if value is None:
            return _NULL
        return dump(value, f"result of {self.name}")

    def decode_result(self, data: bytes, key: bytes = b"") -> Any:
        """A result as the function's return annotation says. Raises PayloadError."""
        if data == _NULL:
            return None
        value = load_any(data, key, f"result of {self.name}")
        if data.startswith(_PICKLE):
            return value
        check = self._made_checks().get("return")
        return check(value, f"result of {self.name}") if check else value

    def _made_checks(self) -> dict[str, Check]:
        if self._checks is None:
            self._checks = checks_of(self._function)
        return self._checks


def load_any(data: bytes, key: bytes = b"", what: str = "result") -> Any:
    """A result of whatever function, without annotations. Pickle only when its signature is right."""
    if data.startswith(_PICKLE):
        return _verified(data, key, "result")
    return load(data, what)


def _refuse_pickle(what: str) -> Any:
    raise PayloadError(f"The {what} are pickled, but the function is not declared with serializer='pickle'.")


def _signature_of(data: bytes, key: bytes, what: str) -> bytes:
    if not key:
        raise PayloadError(
            "Pickle is read and written only when it is signed: set CLEARQ_SIGNING_KEY to the same secret wherever "
            "tasks are enqueued and run."
        )
    return hmac.digest(key, what.encode() + b"\x00" + data, hashlib.sha256)


def _sign(value: Any, key: bytes, what: str) -> bytes:
    try:
        data = pickle.dumps(value, protocol=5)
    except Exception as error:  # pickle raises whatever the value's own code does
        raise PayloadError(f"The {what} cannot be pickled: {error}") from error
    return _PICKLE + _signature_of(data, key, what) + data


def _verified(data: bytes, key: bytes, what: str) -> Any:
    given, body = data[len(_PICKLE) : len(_PICKLE) + _DIGEST], data[len(_PICKLE) + _DIGEST :]
    if not hmac.compare_digest(given, _signature_of(body, key, what)):
        raise PayloadError(f"The {what} are signed with another key, or were changed: not unpickled.")
    try:
        return pickle.loads(body)  # noqa: S301  # signed with the users' own secret
    except Exception as error:
        raise PayloadError(f"The {what} cannot be unpickled: {error}") from error


def error_payload(kind: str, message: str, traceback: str = "") -> bytes:
    """How a failure is stored."""
    return orjson.dumps({"type": kind, "message": message, "traceback": traceback}, default=str)
