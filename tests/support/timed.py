"""An engine whose `now` the test decides: the scripts take it as an argument, so no test waits for a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearq.engine import Engine
from clearq.settings import Settings
from clearq.storage import Storage
from clearq.storage.connection import Argument
from clearq.storage.wire import Bytes


class TimedStorage(Storage):
    """Passes ``self.now`` (milliseconds) wherever a script asks for the time."""

    now = 1_700_000_000_000

    async def script(self, name: str, *arguments: Argument, patience: float | None = None) -> Any:
        if arguments and arguments[0] == "":
            arguments = (str(self.now), *arguments[1:])
        return await super().script(name, *arguments, patience=patience)

    async def hot(self, name: str, *arguments: Bytes, patience: float | None = None) -> Any:
        return await super().hot(name, *self._timed(arguments), patience=patience)

    def hot_now(self, then: Callable[[Any], None], name: str, *arguments: Bytes) -> bool:
        return super().hot_now(then, name, *self._timed(arguments))

    def _timed(self, arguments: tuple[Bytes, ...]) -> tuple[Bytes, ...]:
        return (str(self.now).encode(), *arguments[1:]) if arguments and arguments[0] in (b"", "") else arguments

    def forward(self, seconds: float) -> None:
        """Move the clock; a negative number moves it back."""
        self.now += int(seconds * 1000)


async def connect_timed(settings: Settings) -> tuple[Engine, TimedStorage]:
    """An engine on ``settings`` with a clock of its own."""
    storage = await TimedStorage.connect(settings, settings.url.get_secret_value())
    return Engine(storage), storage
