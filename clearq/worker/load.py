"""Find the app that ``module:attribute`` names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import SecretStr

from clearq.errors import ConfigurationError
from clearq.functions.face import FunctionFace
from clearq.worker.options import as_module


def load_app(name: str) -> Any:
    """Import the module and answer its app. Raises ConfigurationError, or whatever the module raises."""
    module_name, _, attribute = name.partition(":")
    if "/" in module_name or module_name.startswith("."):
        raise ConfigurationError(f"{module_name!r} is no module's name. {_instead(module_name, attribute)}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise
        if module_name.endswith(".py"):
            raise ConfigurationError(f"{module_name!r} is a file. {_instead(module_name, attribute)}") from None
        raise ConfigurationError(
            f"There is no module {error.name!r} here; {name!r} means its attribute after the colon. Run the command "
            "in the folder that holds the module, or set PYTHONPATH."
        ) from None
    if hasattr(module, "__clearq_app__"):  # one that makes apps of what is written otherwise, such as arq's settings
        return module.__clearq_app__(attribute)
    app: Any = module
    for part in attribute.split("."):
        app = getattr(app, part, None)
        if app is None:
            raise ConfigurationError(f"Module {module_name!r} has no {attribute!r}. {_apps_of(module)}")
    if not hasattr(app, "registry"):
        raise ConfigurationError(
            f"{name!r} is of type {type(app).__name__}, and no clearq.Clearq app. {_apps_of(module)}"
        )
    return app


def _instead(path: str, attribute: str) -> str:
    return f"Write {as_module(path) or 'tasks'}:{attribute or 'app'}, in the folder where Python finds that module."


def _apps_of(module: ModuleType) -> str:
    """What a command could have named instead."""
    found = [name for name, value in vars(module).items() if isinstance(value, FunctionFace)]
    if found:
        return f"It has {', '.join(f'{module.__name__}:{name}' for name in found[:5])}."
    return f"It has no app at all: make one there, app = Clearq(), and name it {module.__name__}:app."


def with_settings(app: Any, given: Mapping[str, object]) -> Any:
    """The app with settings that win over its own."""
    if given:
        known = app.settings
        update = {**given, "url": SecretStr(str(given["url"]))} if "url" in given else dict(given)
        app.settings = type(known)(**{**dict(known), **update})
    return app
