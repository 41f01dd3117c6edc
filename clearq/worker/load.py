"""Find the app that ``module:attribute`` names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from clearq.errors import ConfigurationError


def load_app(name: str) -> Any:
    """Import the module and answer its app. Raises ConfigurationError, or whatever the module raises."""
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise
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
            raise ConfigurationError(f"Module {module_name!r} has no {attribute!r}; write module:attribute.")
    if not hasattr(app, "registry"):
        raise ConfigurationError(f"{name!r} is a {type(app).__name__}; it must be a clearq.Clearq app.")
    return app


def with_settings(app: Any, given: Mapping[str, object]) -> Any:
    """The app with settings that win over its own."""
    if given:
        known = app.settings
        update = {**given, "url": SecretStr(str(given["url"]))} if "url" in given else dict(given)
        app.settings = type(known)(**{**dict(known), **update})
    return app
