"""From annotations to checks: what a JSON value becomes before a function sees it."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from typing import Any

from clearq.errors import PayloadError

#: ``check(value, what)`` answers the value as annotated, or raises PayloadError naming ``what``.
Check = Callable[[Any, str], Any]


def checks_of(function: Callable[..., Any]) -> dict[str, Check]:
    """Parameter (and ``return``) to check; what has no annotation, or says ``Any``, has none."""
    checks = {}
    for name, annotation in _annotations(function).items():
        check = _check(annotation)
        if check is not None:
            checks[name] = check
    return checks


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001  # a name known to type checkers only: the others still count
        return {name: hint for name, hint in _each(function).items() if hint is not None}


def _each(function: Callable[..., Any]) -> dict[str, Any]:
    known = getattr(sys.modules.get(function.__module__), "__dict__", {})
    found: dict[str, Any] = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        if isinstance(hint, str):
            try:
                hint = eval(hint, known)  # noqa: S307  # the user's own annotation, as get_type_hints does
            except Exception:  # noqa: BLE001
                hint = None
        found[name] = hint
    return found


def _check(annotation: Any) -> Check | None:
    if annotation in (Any, object, None, type(None), typing.NoReturn):
        return None
    if isinstance(annotation, type) and annotation.__module__.partition(".")[0] == "numpy":
        return _numpy_check(annotation)
    from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticUserError, TypeError, NameError):
        return None

    validate = adapter.validator.validate_python

    def check(value: Any, what: str) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = "".join(f"[{part!r}]" for part in first["loc"])
            raise PayloadError(
                f"The {what} is not {_shown(annotation)}: {first['msg']}{' at ' + place if place else ''}."
            ) from error

    return check


def _numpy_check(kind: type) -> Check:
    def check(value: Any, what: str) -> Any:
        import numpy

        try:
            return numpy.asarray(value) if kind is numpy.ndarray else kind(value)
        except (ValueError, TypeError) as error:
            raise PayloadError(f"The {what} is not {kind.__name__}: {error}.") from error

    return check


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
