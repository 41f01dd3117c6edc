"""Values that a worker's lifespan makes once and functions are given: pools, clients, models.

``async def resize(path: str, pool: Pool = inject()) -> int``: the caller leaves ``pool`` out, the worker fills it in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Injected:
    """Stands as the default of a parameter."""

    name: str = ""


def inject(name: str = "") -> Any:
    """Default of a parameter that a lifespan's value fills; ``name`` when it differs from the parameter's."""
    return Injected(name)


def injected_parameters(function: Callable[..., Any]) -> dict[str, str]:
    """Parameter to name of the value."""
    return {
        parameter.name: parameter.default.name or parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if isinstance(parameter.default, Injected)
    }
