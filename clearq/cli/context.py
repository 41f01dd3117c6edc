"""What a command gets besides its arguments: settings, engine and output, each made when first used."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from clearq.cli.output import Output
from clearq.errors import ConfigurationError, SpecError

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.settings import Settings

T = TypeVar("T")


class Context:
    """One command's surroundings. Close it when the command has ended."""

    def __init__(self, args: Namespace, *, out: Output | None = None) -> None:
        self._args = args
        self.out = out or Output(json=getattr(args, "json", False))
        self._engine: Engine | None = None

    @cached_property
    def settings(self) -> Settings:
        """Flags first, then the environment. Raises ConfigurationError."""
        from pydantic import ValidationError

        from clearq.settings import Settings

        given: dict[str, Any] = {
            name: value
            for name in ("url", "namespace", "home")
            if (value := getattr(self._args, name, None)) is not None
        }
        try:
            return Settings(**given)
        except ValidationError as error:
            raise ConfigurationError(_sentence(error, "setting")) from None

    async def engine(self) -> Engine:
        """The engine, connected (and the embedded server started) at the first call."""
        if self._engine is None:
            from clearq.engine import Engine
            from clearq.sdk.by_hand import end_dead_runs

            self._engine = await Engine.connect(self.settings)
            await end_dead_runs(self._engine)
        return self._engine

    async def close(self) -> None:
        """Let go of the connection. Harmless when there is none."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()


def checked(build: Callable[[], T]) -> T:
    """What ``build`` makes; a value that the models refuse becomes a SpecError in one sentence."""
    from pydantic import ValidationError

    try:
        return build()
    except ValidationError as error:
        raise SpecError(_sentence(error, "")) from None


def _sentence(error: Any, what: str) -> str:
    """pydantic's report in a line for each mistake, without the offending value (it may be a secret)."""
    lines = []
    for each in error.errors():
        where = ".".join(str(part) for part in each["loc"]).removeprefix("CLEARQ_").lower()
        says = each["msg"].removeprefix("Value error, ")
        lines.append(f"{what} {where}: {says[:1].lower()}{says[1:]}".strip())
    if what == "setting":
        lines.append("set it by its flag or by CLEARQ_<NAME>")
    return "\n".join(lines)
