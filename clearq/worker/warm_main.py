"""A warm process: ``python -m clearq.worker.warm_main <socket> <parent>``; a child starts it for its functions."""

from __future__ import annotations

import asyncio
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearq.functions.context import Context, enter
from clearq.worker.load import load_app, with_settings
from clearq.worker.mortal import die_with_parent
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
    while (job := line.hear()) is not None:
        line.say(run(app, job, line))
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


def run(app: Any, job: Job, line: Line) -> Said:
    """One call to its end."""
    attempt = 1 + job.failures + job.losses
    context = Context(job.id, job.name, attempt, job.failures, job.losses, job.enqueued, app, trace=job.trace)
    context.report = lambda fraction, text: line.say(Said(fraction, text))
    enter(context)
    try:
        registered = app.registry.get(job.name)
        if registered.is_async:
            value = asyncio.run(registered.function(*job.args, **job.kwargs))
        else:
            value = registered.function(*job.args, **job.kwargs)
    except BaseException as error:  # noqa: BLE001  # it belongs to the caller
        return Said(ended=True, error=error, trace=traceback.format_exc())
    return Said(ended=True, value=value)


def _stand_in(said: Said, problem: Exception) -> Exception:
    if said.error is not None:
        return RuntimeError(f"{type(said.error).__name__}: {said.error}")
    return TypeError(f"The result cannot leave its process: {problem}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
