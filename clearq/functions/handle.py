"""Handles: a function task that was enqueued, seen from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import orjson

from clearq.errors import ClearqError, FunctionFailed, TaskNotFound, WaitTimeout
from clearq.functions.client import Client, Home, client_of, signing_key
from clearq.functions.payloads import MARK
from clearq.functions.references import ResultOf
from clearq.functions.serialize import Codec, load_any

if TYPE_CHECKING:
    from clearq.engine.calls import State

R = TypeVar("R")

#: Seconds that the server has to say where a task stands that has not ended in time.
LAST_LOOK = 0.5


class Progress(float):
    """How far a task is, 0 to 1."""

    text: str  #: what it said with it; may be empty

    def __new__(cls, fraction: float, text: str = "") -> Progress:
        """A number with words."""
        made = super().__new__(cls, fraction)
        made.text = text
        return made

    def __repr__(self) -> str:
        return f"<Progress {self:.0%}{': ' if self.text else ''}{self.text}>"


class Handle(Generic[R]):
    """One task. ``str(handle)`` is its id; ``app.handle(id)`` makes a handle of it again, in any process."""

    __slots__ = ("_codec", "_home", "_state", "duplicate", "id")

    def __init__(self, home: Home, id: str, codec: Codec | None = None, *, duplicate: bool = False) -> None:
        self.id = id
        self.duplicate = duplicate  #: the unique key was held: this is the task that holds it
        self._home = home
        self._codec = codec
        self._state: State | None = None

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<Handle {self._codec.name if self._codec else ''} {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    async def result(self, timeout: float | None = None) -> R:
        """What the function returned, waiting for it at most ``timeout`` seconds.

        Raises FunctionFailed (it failed or was stopped), WaitTimeout, TaskNotFound (never enqueued, or its result
        has expired), PayloadError (the result cannot be decoded, or a large one is lost), ArtifactError (the store
        of large ones cannot be reached).
        """
        state = await self._ended(timeout)
        if state.status == "completed":
            key, data = signing_key(self._home), state.result
            if data.startswith(MARK):
                data = await (await client_of(self._home)).payloads.open(data, f"result of task {self.id}")
            return cast("R", self._codec.decode_result(data, key) if self._codec else load_any(data, key))
        raise self._failure(state)

    async def _ended(self, timeout: float | None) -> State:
        if self._state is None:
            client = await client_of(self._home)
            try:
                self._state = await client.waits.wait(self.id, timeout)
            except TimeoutError:
                self._state, words = await self._last_look(client)
                if self._state is None:
                    raise WaitTimeout(f"Task {self.id} has not ended within {timeout:g} s{words}.") from None
        return self._state

    async def _last_look(self, client: Client) -> tuple[State | None, str]:
        """Its state if it has ended by now; else words on where it stands, none from a server that does not answer."""
        try:
            async with asyncio.timeout(LAST_LOOK):
                state = (await client.functions.states([self.id]))[0]
        except (ClearqError, TimeoutError):
            return None, ""
        match state.status:
            case "queued":
                return None, f": it is still queued, and `clearq task why {self.id}` says what it waits for"
            case "in_progress":
                return None, ": it is in progress"
            case "created":
                return None, f": it was taken off its queue; `clearq task enqueue {self.id} --queue QUEUE` puts it back"
        return state, ""

    def _failure(self, state: State) -> Exception:
        if not state.status:
            return TaskNotFound(f"There is no task {self.id}: it was never enqueued, or its result has expired.")
        kind, cause, trace = _read_error(state.error)
        reason = state.reason or (f"{kind}: {cause}" if kind else "no reason was given")
        name = f" ({self._codec.name})" if self._codec else ""
        return FunctionFailed(
            f"Task {self.id}{name} {'was stopped' if state.status == 'stopped' else state.status}: {reason}",
            type=kind,
            cause=cause,
            traceback=trace,
            status=state.status,
        )

    async def status(self) -> str:
        """``queued``, ``in_progress``, ``completed``, ``failed`` or ``stopped``. Raises TaskNotFound."""
        client = await client_of(self._home)
        state = (await client.functions.states([self.id]))[0]
        if not state.status:
            raise self._failure(state)
        return state.status

    async def progress(self) -> Progress:
        """How far it says it is: a number from 0 to 1, with its words as ``.text``; 0 when it has said nothing."""
        engine = (await client_of(self._home)).engine
        key = engine.storage.keys("t", self.id)
        percent, text = await engine.storage.command("HMGET", key, "progress", "progress.text")
        return Progress(int(percent or 0) / 100, text or "")

    async def stop(self, reason: str = "") -> Literal["stopped", "stopping"]:
        """Ask it to end; a waiting one is stopped at once. Raises TaskNotFound, StatusConflict (it has ended)."""
        client = await client_of(self._home)
        return await client.engine.tasks.stop(self.id, reason=reason)

    async def requeue(self) -> None:
        """Enqueue it again, to run anew: one that failed or was stopped. Raises TaskNotFound, StatusConflict."""
        engine = (await client_of(self._home)).engine
        queue = await engine.storage.command("HGET", engine.storage.keys("t", self.id), "queue")
        await engine.tasks.enqueue(self.id, queue or "default", create_queue=True)
        self._state = None

    def as_argument(self) -> R:
        """Stands for the result where another function is enqueued, which then waits for this task.

        ``await merge.enqueue(one.as_argument(), two.as_argument())``
        """
        return cast("R", ResultOf(self.id))

    def result_sync(self, timeout: float | None = None) -> R:
        """:meth:`result` for code without an event loop."""
        return self._home.run_sync(self.result(timeout))

    def status_sync(self) -> str:
        """:meth:`status` for code without an event loop."""
        return self._home.run_sync(self.status())

    def stop_sync(self, reason: str = "") -> Literal["stopped", "stopping"]:
        """:meth:`stop` for code without an event loop."""
        return self._home.run_sync(self.stop(reason))


def _read_error(payload: bytes) -> tuple[str, str, str]:
    try:
        data = orjson.loads(payload)
        return str(data["type"]), str(data["message"]), str(data.get("traceback", ""))
    except (ValueError, TypeError, KeyError):
        return "", payload.decode("utf-8", "replace"), ""


async def as_completed(handles: Iterable[Handle[R]], timeout: float | None = None) -> AsyncIterator[Handle[R]]:
    """Handles in the order in which they end; their ``result()`` then answers at once.

    Raises WaitTimeout when ``timeout`` seconds have passed and some still run.
    """
    done: asyncio.Queue[Handle[R]] = asyncio.Queue()
    watched = []
    for handle in handles:
        watched.append(await watch(handle, done))
    loop = asyncio.get_running_loop()
    left = timeout
    try:
        for _ in watched:
            before = loop.time()
            try:
                handle = await asyncio.wait_for(done.get(), left)
            except TimeoutError:
                raise WaitTimeout(f"Not all of {len(watched)} tasks have ended within {timeout:g} s.") from None
            # The time that the caller takes for one is not the tasks'.
            left = None if left is None else max(0.0, left - (loop.time() - before))
            yield handle
    finally:
        for future in watched:
            future.cancel()


async def watch(handle: Handle[R], done: asyncio.Queue[Handle[R]]) -> asyncio.Future[State]:
    """Put the handle into ``done`` when it has ended."""
    client = await client_of(handle._home)
    future = client.waits.watch(handle.id)

    def ended(future: asyncio.Future[State]) -> None:
        if future.cancelled():
            return
        if future.exception() is None:
            handle._state = future.result()
        done.put_nowait(handle)  # one that could not be asked for says so in its ``result()``

    future.add_done_callback(ended)
    return future


async def gather(*handles: Handle[R], timeout: float | None = None, return_exceptions: bool = False) -> list[Any]:
    """The results in the handles' order; the first failure is raised (the others run on)."""
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=return_exceptions)
    except WaitTimeout:
        raise
    except TimeoutError:
        raise WaitTimeout(f"Not all of {len(handles)} tasks have ended within {timeout:g} s.") from None
