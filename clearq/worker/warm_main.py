"""A warm process: ``python -m clearq.worker.warm_main <socket> <parent>``; a child starts it for its functions."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from clearq.functions.context import Context, enter
from clearq.worker.lifespans import enter_lifespans
from clearq.worker.load import load_app, with_settings
from clearq.worker.mortal import die_with_parent
from clearq.worker.traces import traceback_of
from clearq.worker.warm import _LENGTH, Job, Said


def main(argv: Sequence[str]) -> int:
    """Run jobs until the other end hangs up."""
    end, parent = (int(word) for word in argv)
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(socket.socket(fileno=end))
    name, settings = line.hear()
    app = with_settings(load_app(name), settings)
    line.say(Said())  # ready
    with asyncio.Runner() as runner:
        house = House(app, runner)
        while (job := line.hear()) is not None:
            line.say(house.run(job, line))
        house.close()
    return 0


@dataclass
class Line:
    """The socket, with whole messages."""

    end: socket.socket

    def hear(self) -> Any:
        """The next message; ``None`` when the other end has gone."""
        head = self._read(_LENGTH.size)
        return pickle.loads(self._read(_LENGTH.unpack(head)[0])) if head else None  # noqa: S301  # our parent's

    def say(self, said: Said) -> None:
        """Send; what cannot be pickled becomes an error that says so."""
        try:
            frame = pickle.dumps(said)
            pickle.loads(frame)  # noqa: S301  # an error with its own ways may fail only here
        except Exception as problem:  # noqa: BLE001  # any value of a user's may do anything here
            frame = pickle.dumps(Said(ended=True, error=_stand_in(said, problem), trace=said.trace))
        self.end.sendall(_LENGTH.pack(len(frame)) + frame)

    def _read(self, length: int) -> bytes:
        parts = b""
        while len(parts) < length:
            part = self.end.recv(min(length - len(parts), 1 << 20))
            if not part:
                return b""
            parts += part
        return parts


class House:
    """The app with one loop for all its calls, and lifespans of its own, entered when the first function asks."""

    def __init__(self, app: Any, runner: asyncio.Runner) -> None:
        self._app, self._runner = app, runner
        self._stack = AsyncExitStack()
        self._state: Mapping[str, Any] | None = None

    def run(self, job: Job, line: Line) -> Said:
        """One call to its end."""
        attempt, app = 1 + job.failures + job.losses, self._app
        context = Context(job.id, job.name, attempt, job.failures, job.losses, job.enqueued, app, trace=job.trace)
        context.report = lambda fraction, text: line.say(Said(fraction, text))
        try:
            registered = self._app.registry.get(job.name)
            if registered.injected and self._state is None:
                self._state = self._runner.run(self._enter())
            context.state = self._state or {}
            enter(context)
            kwargs = registered.inject(job.kwargs, context.state)
            if registered.is_async:
                value = self._runner.run(registered.function(*job.args, **kwargs), context=contextvars.copy_context())
            else:
                value = registered.function(*job.args, **kwargs)
        except BaseException as error:  # noqa: BLE001  # it belongs to the caller
            return Said(ended=True, error=error, trace=traceback_of(error))
        return Said(ended=True, value=value)

    async def _enter(self) -> Mapping[str, Any]:
        try:
            return await enter_lifespans(self._app, self._stack)
        except BaseException:
            await self._stack.aclose()
            raise

    def close(self) -> None:
        """Leave the lifespans."""
        self._runner.run(self._stack.aclose())


def _stand_in(said: Said, problem: Exception) -> Exception:
    if said.error is not None:
        return RuntimeError(f"{type(said.error).__name__}: {said.error}")
    return TypeError(f"The result cannot leave its process: {problem}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
