"""The part of ``Task`` for hyper-parameters and configuration objects."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from clearq.errors import UsageError
from clearq.models import Parameter
from clearq.sdk import argparse_hook
from clearq.sdk.connect import GENERAL, exchange, flat, nested, stored_value, view
from clearq.sdk.face import TaskHandle
from clearq.sdk.values import to_parameter

T = TypeVar("T")


class HyperParameters(TaskHandle):
    """Connect the program's values, read and set parameters and configurations."""

    def connect(self, mutable: T, name: str | None = None, ignore_remote_overrides: bool = False) -> T:
        """Record a dict, an argparse parser or namespace, or the attributes of a class or object.

        By hand the program's values are recorded. Under an agent the stored ones are written into ``mutable``
        (in place), cast to the type that each value has there. The section is ``name``, else ``General``
        (``Args`` for argparse). Returns ``mutable``.
        Raises :class:`~clearq.errors.UsageError` when a stored text is no value of the type it must have.
        """
        if isinstance(mutable, argparse.ArgumentParser):
            argparse_hook.connect_parser(mutable)
            return mutable
        values, section = view(mutable)
        run = self._run
        override = run is not None and run.override and not ignore_remote_overrides
        stored: Mapping[str, Parameter] = run.stored if run is not None and override else {}
        recorded = exchange(values, name or section, stored, override=override)
        present = self._spec.parameters
        changed = {key: value for key, value in recorded.items() if not _same(present.get(key), value)}
        if changed:
            self._patch(parameters=changed)
        return mutable

    def get_parameters(self, backwards_compatibility: bool = True, cast: bool = False) -> dict[str, Any]:
        """``Section/name`` to value: texts, or with ``cast`` values of the recorded types."""
        return {
            name: stored_value(name, parameter) if cast else parameter.value
            for name, parameter in self._spec.parameters.items()
        }

    @property
    def parameters(self) -> dict[str, str]:
        """``Section/name`` to text."""
        return self.get_parameters()

    def get_parameters_as_dict(self, cast: bool = False) -> dict[str, Any]:
        """Section to name to value, as deep as the names go."""
        return nested(self.get_parameters(cast=cast).items())

    def get_parameter(self, name: str, default: Any = None, cast: bool = False) -> Any:
        """One value by ``Section/name`` (without a section: ``General``)."""
        parameter = self._spec.parameters.get(_full(name))
        if parameter is None:
            return default
        return stored_value(name, parameter) if cast else parameter.value

    def set_parameter(self, name: str, value: Any, description: str | None = None, value_type: Any = None) -> None:
        """Set one parameter by ``Section/name`` (without a section: ``General``)."""
        parameter = to_parameter(value, description or "")
        if value_type is not None:
            kind = value_type if isinstance(value_type, str) else value_type.__name__
            parameter = parameter.model_copy(update={"type": kind})
        self._patch(parameters={_full(name): parameter})

    def set_parameters(self, *args: Mapping[str, Any], **kwargs: Any) -> None:
        """Replace *all* parameters by these; see :meth:`update_parameters` to add to them."""
        self._patch(parameters=_given(args, kwargs), only=True)

    def update_parameters(self, *args: Mapping[str, Any], **kwargs: Any) -> None:
        """Set these parameters and leave the others as they are."""
        self._patch(parameters=_given(args, kwargs))

    def set_parameters_as_dict(self, dictionary: Mapping[str, Any]) -> None:
        """Replace all parameters by a nested dictionary of sections."""
        self.set_parameters(dictionary)

    def delete_parameter(self, name: str, force: bool = False) -> bool:
        """Drop one parameter; ``False`` when there was none."""
        if _full(name) not in self._spec.parameters:
            return False
        self._patch(dropped=frozenset({_full(name)}))
        return True

    def connect_configuration(
        self,
        configuration: T,
        name: str | None = None,
        description: str | None = None,
        ignore_remote_overrides: bool = False,
    ) -> T:
        """Record a configuration: a dict or list (as JSON), or the text of a file given by its path.

        Under an agent the stored content wins: a dict is updated in place, for a path the path of a file with
        the stored text is returned.
        """
        name = name or GENERAL
        run = self._run
        stored = None
        if run is not None and run.override and not ignore_remote_overrides:
            stored = run.stored_configurations.get(name)
        if stored is not None:
            return _overridden(configuration, name, stored)
        self._patch(configurations={name: _text(configuration)})
        return configuration

    def get_configuration_object(self, name: str) -> str | None:
        """The text of a configuration."""
        return self._spec.configurations.get(name)

    def get_configuration_object_as_dict(self, name: str) -> Any:
        """A configuration's text read as JSON, or ``None``."""
        text = self.get_configuration_object(name)
        return None if text is None else _parsed(text, name)

    def get_configuration_objects(self) -> dict[str, str]:
        """Texts by name."""
        return dict(self._spec.configurations)

    def set_configuration_object(
        self,
        name: str,
        config_text: str | None = None,
        description: str | None = None,
        config_type: str | None = None,
        config_dict: Mapping[str, Any] | None = None,
    ) -> None:
        """Set a configuration from a text or a dict."""
        text = config_text if config_text is not None else _text(config_dict or {})
        self._patch(configurations={name: text})


def _full(name: str) -> str:
    return name if "/" in name else f"{GENERAL}/{name}"


def _given(args: tuple[Mapping[str, Any], ...], kwargs: Mapping[str, Any]) -> dict[str, Parameter]:
    values: dict[str, Parameter] = {}
    for given in (*args, kwargs):
        values.update({_full(name): to_parameter(value) for name, value in flat(given)})
    return values


def _same(present: Parameter | None, new: Parameter) -> bool:
    """A stored type and description survive when the value is the same."""
    return present is not None and present.value == new.value and present.type == new.type


def _text(configuration: Any) -> str:
    if isinstance(configuration, str | Path):
        try:
            return Path(configuration).read_text()
        except OSError as error:
            raise UsageError(f"The configuration file {configuration} cannot be read: {error.strerror}.") from error
    try:
        return json.dumps(configuration, indent=2, ensure_ascii=False)
    except TypeError as error:
        raise UsageError(f"This configuration cannot be written as JSON: {error}") from error


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"configuration {name!r} is not JSON: {error}") from error


def _overridden(configuration: T, name: str, stored: str) -> T:
    if isinstance(configuration, str | Path):
        suffix = Path(configuration).suffix
        with tempfile.NamedTemporaryFile("w", prefix="clearq-", suffix=suffix, delete=False) as file:
            file.write(stored)
        return type(configuration)(file.name)
    value = _parsed(stored, name)
    if isinstance(configuration, dict) and isinstance(value, dict):
        configuration.clear()
        configuration.update(value)
        return configuration
    if isinstance(configuration, list) and isinstance(value, list):
        configuration[:] = value
        return configuration
    raise UsageError(f"configuration {name!r} was a {type(configuration).__name__} when it was recorded")
