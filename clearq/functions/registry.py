"""Which functions there are, and all that a worker must know to run one. The seam between app and worker."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from clearq.errors import UsageError
from clearq.functions.inject import injected_parameters
from clearq.functions.limits import two_sizes
from clearq.functions.options import Options, Serializer, Where
from clearq.functions.serialize import Codec
from clearq.models.limit import Size


class Registered:
    """One function under its name."""

    def __init__(
        self, name: str, function: Callable[..., Any], options: Options, *, serializer: Serializer = "json"
    ) -> None:
        self.name = name
        self.function = function
        self.options = options
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(function)
        self.codec = Codec(name, function, serializer)

    @property
    def where(self) -> Where:
        """Where it runs unless the task says otherwise."""
        return self.options.where

    def decode(self, args: bytes, key: bytes = b"") -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as the function wants them; ``key`` is the signing key, for pickle.

        They may hold :class:`~clearq.functions.references.ResultOf` (see ``references.resolve``).
        Raises PayloadError: undecodable, or arguments that the function does not take.
        """
        return self.codec.decode(args, key)

    def encode_result(self, value: Any, key: bytes = b"") -> bytes:
        """The result as it is stored. Raises PayloadError for what cannot be."""
        return self.codec.encode_result(value, key)

    @property
    def arguments(self) -> list[str]:
        """The names of what a caller passes."""
        return [name for name in self.codec.parameters if name not in self.injected]

    @cached_property
    def injected(self) -> Mapping[str, str]:
        """Parameter to name of the lifespan's value that it is given."""
        return injected_parameters(self.function)

    def inject(self, kwargs: dict[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments with the lifespans' values added. Raises UsageError for one that no lifespan yields."""
        for parameter, name in self.injected.items():
            if parameter not in kwargs:
                if name not in state:
                    raise UsageError(
                        f"{self.name} wants {name!r}, which no lifespan yields; there is: {sorted(state)}."
                    )
                kwargs[parameter] = state[name]
        return kwargs


class Registry:
    """The functions of an app by name."""

    def __init__(self) -> None:
        self._functions: dict[str, Registered] = {}
        self._limits: dict[tuple[str, str], tuple[Size, str]] = {}

    def add(self, entry: Registered) -> None:
        """Raises UsageError when another function has that name."""
        known = self._functions.get(entry.name)
        if known is not None and not _same_place(known.function, entry.function):
            raise UsageError(
                f"Two functions are called {entry.name!r}: give one of them another, @app.task(name='...')."
            )
        if known is not None:  # declared anew, perhaps with other sizes
            self._limits = {limit: said for limit, said in self._limits.items() if said[1] != entry.name}
        self._functions[entry.name] = entry

    def add_limit(self, queue: str, name: str, size: Size, function: str) -> None:
        """Raises UsageError when the limit has another size in that queue already."""
        known, by = self._limits.setdefault((queue, name), (size, function))
        if known != size:
            raise two_sizes(name, size, function, known, by)

    @property
    def limits(self) -> list[tuple[str, str, str]]:
        """Queue, limit name and size (as it is stored) of all that was declared: a worker sets them."""
        return [(queue, name, size.text) for (queue, name), (size, _) in self._limits.items()]

    def get(self, name: str) -> Registered | None:
        """The function of that name."""
        return self._functions.get(name)

    @property
    def queues(self) -> list[str]:
        """The queues that the functions are declared for: what a worker takes from when it is told none."""
        return sorted({entry.options.queue for entry in self._functions.values()})

    @property
    def fair(self) -> list[str]:
        """Those of them in which some function names a key: a worker that makes one makes it fair."""
        return sorted({entry.options.queue for entry in self._functions.values() if entry.options.fair})

    def __iter__(self) -> Iterator[Registered]:
        return iter(self._functions.values())

    def __len__(self) -> int:
        return len(self._functions)


def module_of(function: Callable[..., Any]) -> str | None:
    """The module that declares it, as others import it: also for a program (``python train.py`` is ``train``,
    ``python -m lab.train`` is ``lab.train``). None: nobody can, for it has no file, or one with no module's name.
    """
    module = function.__module__
    if module not in ("__main__", "__mp_main__"):  # the latter: in a process that multiprocessing has spawned
        return module
    main = sys.modules.get(module)
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        name = str(spec.name)
        return name if name != "__main__" else None  # a folder or an archive
    stem = Path(file).stem if file else ""
    return stem if stem and "." not in stem and not stem.startswith("<") else None


def public_name(function: Callable[..., Any]) -> str:
    """``module.function``. A file that is run as a program has the name it would have if it were imported: the
    worker that imports it must know its functions by the same names.
    """
    return f"{module_of(function) or function.__module__}.{function.__qualname__}"


def _same_place(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Is it the same function, perhaps of a module that was imported again?"""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
