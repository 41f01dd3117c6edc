"""The process of an attempt that calls a function: ``python -m clearq.worker.attempt``, started by its supervisor.

It runs the one call as a worker would, and writes down how that ended; the supervisor passes it on, under its fence.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson

from clearq.clock import boottime
from clearq.engine import Engine
from clearq.engine.calls import End, Given
from clearq.errors import ClearqError, ConfigurationError
from clearq.functions import gpus
from clearq.functions.face import apps_with
from clearq.functions.options import Options
from clearq.models import AttemptFile, Verdict
from clearq.models.verdict import OVERDUE, VERDICT
from clearq.sdk.attempt import ATTEMPT_VARIABLE, attempt_file
from clearq.telemetry import configure_logging
from clearq.worker.calls import ASKED, Call
from clearq.worker.child import FOREVER
from clearq.worker.lifespans import enter_lifespans
from clearq.worker.load import load_app, with_settings
from clearq.worker.outcomes import BadCall, TimedOut, ended_by
from clearq.worker.runner import CANCEL_WITHIN, Place, Runner
from clearq.worker.traces import traceback_of

#: Seconds for the last words on progress.
TELL_WITHIN = 2.0

#: Seconds after a timeout within which the function must have ended, else its process ends: it blocks the loop, or
#: holds the interpreter lock.
OVERDUE_AFTER = CANCEL_WITHIN + 2.0


def main(argv: Sequence[str]) -> int:
    """Run the attempt's call; answers the exit code. ``--check module:app`` says what that app declares, as JSON."""
    if argv[:1] == ["--check"]:
        return check(argv[1])
    attempt = attempt_file()
    if attempt is None or not attempt.file.task.spec.function.name:
        sys.stderr.write("This is started by an agent's supervisor, for a function that needs GPUs.\n")
        return 2
    call = FunctionCall(attempt.file, Path(os.environ[ATTEMPT_VARIABLE]).parent)
    code = call.run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that user code left running shall not hold us up


def check(name: str) -> int:
    """Can the app be loaded here? Its name and functions as JSON, or a sentence and exit code 1."""
    try:
        with gpus.importing(name.partition(":")[0]):
            app = load_app(name)
    except Exception as error:  # noqa: BLE001  # user code may raise anything
        expected = isinstance(error, ClearqError)
        sys.stderr.write(str(error) if expected else f"{name} cannot be loaded:\n{traceback_of(error)}")
        return 1
    sys.stdout.write(orjson.dumps({"name": app.name, "functions": [entry.name for entry in app.registry]}).decode())
    return 0


class FunctionCall:
    """One attempt of one function."""

    def __init__(self, file: AttemptFile, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.function = file.task.spec.function
        task, limits = file.task, file.task.spec.limits
        self.given = Given(
            task.id,
            file.fence,
            self.function.name,
            gpus.from_text(self.function.args),
            task.enqueued or 0.0,
            task.failures,
            task.losses,
            self.function.options.encode(),
        )
        #: Until the function's own are known.
        self.options = Options(
            retries=limits.retries, retry_delay=limits.retry_delay, retry_delay_max=limits.retry_delay_max
        )
        self.asked = False  #: somebody asked for the end
        self.runner: Runner | None = None

    def run(self) -> int:
        """To its end; answers the exit code."""
        try:
            app = self._load()
        except KeyboardInterrupt:
            return self._say(End(self.given.id, self.given.fence, "stop", b"", "stopped while it was loaded"))
        except BaseException as error:  # noqa: BLE001  # the user's module may raise anything, SystemExit too
            return self._say(ended_by(error, self.given, self.options))
        configure_logging(app.settings.log_level)
        with asyncio.Runner() as runner:
            return runner.run(self._serve(app))

    # ---- finding the function

    def _load(self) -> Any:
        """The app, with its module imported and the attempt's server set. Raises BadCall, or what the module raises."""
        with gpus.importing(self.file.app.partition(":")[0] or self.function.module):
            app = self._agents_app() if self.file.app else self._declaring_app()
        registered = app.registry.get(self.function.name)
        self.options = registered.options.merged(self.given.options)
        return with_settings(app, self._settings())

    def _agents_app(self) -> Any:
        try:
            app = load_app(self.file.app)
        except ConfigurationError as error:
            raise BadCall(f"The agent's app cannot be used: {error}") from None
        if app.registry.get(self.function.name) is None:
            names = ", ".join(sorted(entry.name for entry in app.registry)) or "nothing"
            raise BadCall(
                f"The agent's app {self.file.app} does not declare {self.function.name}: start the agent with the app "
                f"that does, or correct its module. It declares {names}."
            )
        return app

    def _declaring_app(self) -> Any:
        module = self.function.module
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise BadCall(
                f"There is no module {error.name!r} in {Path.cwd()}: commit its file, or correct where it lies."
            ) from None
        apps = [app for app in apps_with(self.function.name) if app.name == self.function.app]
        if not apps:
            raise BadCall(
                f"Module {module!r} declares no function {self.function.name} when it is imported. Is it declared "
                "within another function, or under if __name__ == '__main__'? Move it to the module's top."
            )
        return apps[0]

    def _settings(self) -> Mapping[str, object]:
        """The attempt's server, whatever the environment says of another."""
        return {
            "url": self.file.url,
            "namespace": self.file.namespace,
            "home": Path(self.file.home),
            "artifacts_url": self.file.artifacts_url,
        }

    # ---- running it

    async def _serve(self, app: Any) -> int:
        loop = asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, lambda *_: self._asked(loop))
        async with AsyncExitStack() as stack:
            try:
                state = await enter_lifespans(app, stack)
                code = await self._call(app, state)
            except Exception as error:  # noqa: BLE001  # a lifespan's, which counts as the function's
                code = self._say(ended_by(error, self.given, self.options))
            with contextlib.suppress(Exception):
                await stack.aclose()
        return code

    async def _call(self, app: Any, state: Mapping[str, Any]) -> int:
        settings = app.settings.model_copy(update={"patience": FOREVER})
        engine = await Engine.connect(settings)
        ended: asyncio.Future[End | None] = asyncio.get_running_loop().create_future()
        place = Place("", 1, self._settings(), state, app.settings.signing_key.get_secret_value().encode())
        runner = _Runner(app, engine, place)
        runner.report = ended.set_result
        try:
            self._watch_timeout()
            runner.start(self.given)
            self.runner = runner
            if self.asked:
                self._stop()
            end = await ended
            faulthandler.cancel_dump_traceback_later()
            await runner.tell()
            return self._say(end)
        finally:
            await runner.close()
            await engine.close()

    def _asked(self, loop: asyncio.AbstractEventLoop) -> None:
        """SIGTERM: the function is told at once, also one that blocks the loop."""
        self.asked = True
        for call in self._calls():
            if call.context is not None:
                call.context.stopping = ASKED
        loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        """Coroutines are cancelled; a thread that was told has until the supervisor's grace is over."""
        if self.runner is not None and not any(call.where == "thread" and call.context for call in self._calls()):
            self.runner.stop(self.given.id)

    def _calls(self) -> list[Call]:
        return list(self.runner.calls.values()) if self.runner is not None else []

    def _watch_timeout(self) -> None:
        """End this process when even its loop does not get to run any more."""
        timeout = self.options.timeout
        if timeout is None:
            return
        end = ended_by(TimedOut(f"timed out after {timeout:g} s"), self.given, self.options)
        self._write(OVERDUE, _verdict(end, since=boottime() + timeout))
        faulthandler.dump_traceback_later(timeout + OVERDUE_AFTER, exit=True)

    # ---- saying how it ended

    def _say(self, end: End | None) -> int:
        if end is None or (self.asked and end.how in ("complete", "retry", "release")):
            end = End(self.given.id, self.given.fence, "stop", b"", "stopped while it ran")
        if end.how in ("fail", "retry"):
            _print_error(end)
        self._write(VERDICT, _verdict(end))
        return 1 if end.how in ("fail", "retry") else 0

    def _write(self, name: str, verdict: Verdict) -> None:
        """Whole or not at all."""
        draft = self.folder / f".{name}.{os.getpid()}"
        with open(draft, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(verdict.model_dump_json())
        draft.replace(self.folder / name)


class _Runner(Runner):
    """Its process ends with the call."""

    async def tell(self) -> None:
        """The last progress reaches the server, if it can be reached soon."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._progress.flush(), TELL_WITHIN)

    def _timed_out(self, call: Call) -> str:
        return f"timed out after {call.options.timeout:g} s"


def _verdict(end: End, since: float = 0.0) -> Verdict:
    return Verdict(
        how=end.how,
        payload=end.payload.decode("latin-1"),
        reason=end.reason,
        pause=int(end.number) / 1000 if end.number and end.how in ("retry", "release") else None,
        since=since,
    )


def _print_error(end: End) -> None:
    """The error for the task's log."""
    said = orjson.loads(end.payload) if end.payload else {}
    sys.stderr.write(said.get("traceback") or f"{end.reason}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
