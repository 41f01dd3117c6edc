"""The function half of an app: declare, enqueue, await."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, Unpack, cast, overload
from weakref import WeakSet

from clearq.errors import UsageError
from clearq.functions.client import Client, client_of
from clearq.functions.cron import CronRule, Missed, checked
from clearq.functions.declare import AsyncTask, FunctionTask, PlainTask, Request
from clearq.functions.fan import enqueue_many, fan_out
from clearq.functions.handle import Handle
from clearq.functions.middleware import Middleware
from clearq.functions.options import OptionFields, Options, Serializer
from clearq.functions.registry import Registered, Registry, module_of, public_name

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.engine.calls import SetAside
    from clearq.settings import Settings

log = logging.getLogger("clearq.functions")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F", bound=FunctionTask[..., Any])
M = TypeVar("M", bound=Middleware)

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
L = TypeVar("L", bound=Callable[[Any], Any])

#: Every app of this process.
_apps: WeakSet[FunctionFace] = WeakSet()


def apps_with(name: str) -> list[FunctionFace]:
    """The apps that declare a function of that name."""
    return [app for app in _apps if app.registry.get(name) is not None]


class Declare(Protocol):
    """``@app.task``: from a function to a task that takes the same arguments."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> PlainTask[P, R]: ...


class FunctionFace(ABC):
    """What an app knows of functions. ``name`` gives its functions a lane of their own in each queue."""

    settings: Settings

    def __init__(self, name: str = "") -> None:
        if name and not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"An app's name is letters, digits, - and _, not {name!r}.")
        self.name = name
        self.registry = Registry()
        self.lifespans: list[Lifespan] = []
        self.middlewares: list[Middleware] = []
        self.crons: list[CronRule] = []
        self._on_agents: dict[str, FunctionTask[..., Any]] = {}  #: what cron rules enqueue that needs GPUs
        self.concurrency: int | None = None  #: functions at once in a worker's process that is told no figure
        self.ready: Client | None = None
        _apps.add(self)
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}
        self._connecting: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}

    @abstractmethod
    async def _connect(self) -> Engine:
        """An engine for the running loop."""

    @abstractmethod
    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on a loop in the background and wait for it. Raises UsageError inside a running loop."""

    async def client(self) -> Client:
        """The running loop's client; connects on first use."""
        loop = asyncio.get_running_loop()
        async with self._connecting.setdefault(loop, asyncio.Lock()):
            if loop not in self._clients:
                for other in [other for other in self._clients if other.is_closed()]:
                    self._clients.pop(other, None)
                    self._connecting.pop(other, None)
                engine = await self._connect()
                try:
                    await engine.functions.warm()
                except BaseException:
                    await engine.close()
                    raise
                self._clients[loop] = Client(engine)
        self.ready = self._clients[loop]
        return self.ready

    async def close(self) -> None:
        """Close the running loop's connections. Closing twice is harmless."""
        loop = asyncio.get_running_loop()
        self._connecting.pop(loop, None)
        client = self._clients.pop(loop, None)
        if client is not None:
            if self.ready is client:
                self.ready = None
            await client.close()

    def close_sync(self) -> None:
        """Close what the ``..._sync`` calls opened."""
        self.run_sync(self.close())

    @overload
    def task(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> PlainTask[P, R]: ...
    @overload
    def task(self, *, name: str = "", serializer: Serializer = "json", **options: Unpack[OptionFields]) -> Declare: ...
    def task(  # type: ignore[misc]
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str = "",
        serializer: Serializer = "json",
        **options: Unpack[OptionFields],
    ) -> Any:
        """Declare a function: ``@app.task`` or ``@app.task(queue="mail", retries=3)``.

        ``name`` is what workers know it by (default ``module.function``). Plain functions run in a thread unless
        ``where`` says otherwise. Raises UsageError.
        """

        def declare(function: Callable[..., Any]) -> FunctionTask[..., Any]:
            return self._declare(function, name, serializer, options)

        return declare if function is None else declare(function)

    def _declare(
        self, function: Callable[..., Any], name: str, serializer: Serializer, options: OptionFields
    ) -> FunctionTask[..., Any]:
        if not callable(function):
            raise UsageError(f"@app.task declares functions, not {function!r}.")
        if not name and module_of(function) is None:
            log.warning(
                "%s is declared where no worker can import it from (a prompt, standard input, python -c, or a file "
                "with no module's name): move it into a module, or name it as workers know it, @app.task(name='...')",
                function.__qualname__,
            )
        entry = Registered(name or public_name(function), function, Options(), serializer=serializer)
        if "where" not in options and not entry.is_async:
            options = {**options, "where": "thread"}
        entry.options = Options().with_(options)
        self.registry.add(entry)
        kind = AsyncTask if entry.is_async else PlainTask
        return kind(self, entry, entry.options)

    def cron(self, expression: str, *, tz: str = "UTC", missed: Missed = "once", name: str = "") -> Callable[[F], F]:
        """Enqueue a declared function at the slots of ``expression``, with no arguments; above ``@app.task``.

        ``missed``: what to do about slots that passed while no worker ran (``once``: one late run, ``skip``,
        ``all``). One function may have several rules, with names of their own. A unique key keeps a run from
        starting while the one before lasts: that slot is passed over. Raises UsageError.
        """

        def add(task: F) -> F:
            if not isinstance(task, FunctionTask):
                raise UsageError(
                    f"@app.cron stands above @app.task, which declares the function; {task!r} is not declared."
                )
            rule = task.rule(name or task.name, expression, tz, missed)
            if any(known.name == rule.name for known in self.crons):
                raise UsageError(f"Two cron rules are called {rule.name!r}: give one of them another name.")
            self.crons.append(checked(rule))
            if task.given.gpus:
                self._on_agents[rule.name] = task
            return task

        return add

    def cron_rules(self) -> list[CronRule]:
        """The rules as a worker keeps them. Records the code of functions that need GPUs. Raises UsageError."""
        tasks = self._on_agents
        return [tasks[rule.name].described(rule) if rule.name in tasks else rule for rule in self.crons]

    def lifespan(self, function: L) -> L:
        """Declare what each worker process sets up and takes down: an async generator that yields a dict once.

        Its values reach functions by ``inject()`` and ``current().state``.
        """
        self.lifespans.append(_context_manager(function))
        return function

    def middleware(self, function: M) -> M:
        """Declare a plain async function around each call; the first one declared is the outermost."""
        self.middlewares.append(function)
        return function

    async def enqueue_many(self, requests: Iterable[Request[R]]) -> list[Handle[R]]:
        """Enqueue in order, one round trip for each thousand: ``enqueue_many(f.call(i) for i in range(9))``.

        Each thousand is all or nothing; what went before one that failed is enqueued.
        """
        return await enqueue_many(self, requests)

    def enqueue_many_sync(self, requests: Iterable[Request[R]]) -> list[Handle[R]]:
        """:meth:`enqueue_many` for code without an event loop."""
        return self.run_sync(self.enqueue_many(requests))

    def fan_out(self, requests: Iterable[Request[R]], *, concurrent: int = 1000) -> AsyncIterator[Handle[R]]:
        """Enqueue as others end, at most ``concurrent`` at a time; handles in the order in which they end."""
        return fan_out(self, requests, concurrent)

    async def set_aside(self, *, limit: int = 100) -> list[SetAside]:
        """Functions that failed for good, the latest first; ``app.handle(entry.id).requeue()`` runs one again."""
        return await (await client_of(self)).functions.set_aside(limit=limit)

    @overload
    def handle(self, id: str) -> Handle[Any]: ...
    @overload
    def handle(self, id: str, task: FunctionTask[..., R]) -> Handle[R]: ...
    def handle(self, id: str, task: FunctionTask[..., Any] | None = None) -> Handle[Any]:
        """A handle by the task's id; with ``task`` the result is decoded as that function's annotation says."""
        return task.handle_of(id) if task is not None else Handle(self, id)


def _context_manager(function: Callable[[Any], Any]) -> Lifespan:
    if inspect.isasyncgenfunction(function):
        return cast("Lifespan", contextlib.asynccontextmanager(function))
    return function
