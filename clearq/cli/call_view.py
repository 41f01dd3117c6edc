"""The call of a function task: its arguments and result, wherever they lie."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from clearq.cli.text import size

if TYPE_CHECKING:
    from clearq.engine import Engine

#: Bytes that are read from the artifact store to show how they begin.
MOST_READ = 10 * 1024 * 1024

#: Characters of it that are shown.
SHOWN = 500


@dataclass(frozen=True)
class Payload:
    """Arguments or a result, for people to look at."""

    bytes: int
    at: str  #: where it lies; empty: in the task
    text: str  #: its beginning, or why it cannot be shown

    @property
    def line(self) -> str:
        """For a page."""
        return f"{size(self.bytes)} in {self.at}: {self.text}" if self.at else self.text


@dataclass(frozen=True)
class CallView:
    """What was called, and what came of it."""

    function: str
    arguments: Payload | None
    result: Payload | None
    described: bool = False  #: the task's description has the function, and arguments that are not large

    @property
    def rows(self) -> list[tuple[str, str]]:
        """For a page, beside the description."""
        arguments = self.arguments if self.arguments and (self.arguments.at or not self.described) else None
        return [
            ("Function", "" if self.described else self.function),
            ("Arguments", arguments.line if arguments else ""),
            ("Result", self.result.line if self.result else ""),
        ]

    def plain(self) -> dict[str, object]:
        """For ``--json``."""
        return {name: value for name, value in asdict(self).items() if name != "described"}


async def call_of(engine: Engine, task_id: str) -> CallView | None:
    """The call of a function task; None for any other task."""
    fields = ("fn", "function.name", "args", "function.args", "result")
    found = await engine.storage.command("HMGET", engine.storage.keys("t", task_id), *fields)
    name = found[0] or found[1]
    if not name:
        return None
    arguments, result = await _payload(engine, found[2] or found[3]), await _payload(engine, found[4])
    return CallView(name, arguments, result, described=bool(found[1]))


async def _payload(engine: Engine, stored: str | None) -> Payload | None:
    from clearq.errors import ClearqError
    from clearq.functions.payloads import Payloads, describe

    if not stored:
        return None
    data = stored.encode("utf-8", "surrogateescape")
    try:
        length, at = describe(data)
        if at:
            whole = await Payloads(engine).open(data, "payload") if length <= MOST_READ else b""
            return Payload(length, at, _shown(whole) if whole else "too large to be shown")
        return Payload(length, "", _shown(data))
    except ClearqError as error:
        return Payload(len(data), "?", str(error))


def _shown(data: bytes) -> str:
    if not data.startswith(b"\x00") and not data.startswith(b"base64:"):
        text = data[: 4 * SHOWN].decode("utf-8", "ignore")
        return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return "pickled"
