"""How a run by hand ends: completed, failed or stopped, told from how the interpreter comes to its end."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from clearq.models import Outcome, Status

#: Exit codes of a process ended by Ctrl-C and by SIGTERM, as shells show them.
INTERRUPTED, TERMINATED = 130, 143
#: Characters kept of an exception's sentence and of its traceback.
REASON_MAX, MESSAGE_MAX = 300, 8_000


class ExitWatch:
    """Sees uncaught exceptions, ``sys.exit`` and SIGTERM; calls ``at_end`` once when the interpreter ends.

    ``raise SystemExit(3)`` without ``sys.exit`` cannot be told from a good end.
    """

    def __init__(self, at_end: Callable[[], object]) -> None:
        self._at_end = at_end
        self._pid = os.getpid()
        self._failure: Outcome | None = None
        self._code = 0
        self._stopped = ""
        self._installed = False
        self._old_hook: Any = None
        self._old_exit: Any = None

    def install(self) -> None:
        """Begin to watch. SIGTERM is only taken where nobody else handles it."""
        if self._installed:
            return
        self._installed = True
        self._old_hook, sys.excepthook = sys.excepthook, self._on_exception
        self._old_exit = sys.exit
        sys.exit = self._on_exit  # type: ignore[assignment]
        atexit.register(self._finish)
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and not _handled(signal.SIGTERM):
            signal.signal(signal.SIGTERM, self._on_terminate)

    def remove(self) -> None:
        """Stop watching and put back what was there, unless somebody else put something on top."""
        if not self._installed:
            return
        self._installed = False
        atexit.unregister(self._finish)
        if sys.excepthook == self._on_exception:
            sys.excepthook = self._old_hook
        if sys.exit == self._on_exit:
            sys.exit = self._old_exit
        if threading.current_thread() is threading.main_thread() and (
            signal.getsignal(signal.SIGTERM) == self._on_terminate
        ):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def after_fork(self) -> None:
        """In a forked child: a SIGTERM ends it as it ends any process."""
        if signal.getsignal(signal.SIGTERM) == self._on_terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def stop(self, why: str) -> None:
        """End the program from outside: SIGTERM, or as Ctrl-C does in an interactive session."""
        self._stopped = self._stopped or why
        interactive = hasattr(sys, "ps1") or "ipykernel" in sys.modules
        if interactive or not _handled(signal.SIGTERM):
            _thread.interrupt_main()
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def outcome(self) -> Outcome:
        """What became of the run, as far as is known now."""
        if self._stopped:
            return Outcome(status=Status.STOPPED, reason=self._stopped, exit_code=TERMINATED)
        if self._failure is not None:
            return self._failure
        if self._code:
            return Outcome(status=Status.FAILED, reason=f"exited with code {self._code}", exit_code=self._code)
        return Outcome(status=Status.COMPLETED, exit_code=0)

    def _finish(self) -> None:
        if os.getpid() == self._pid:
            self._at_end()

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._failure = Outcome(status=Status.STOPPED, reason="interrupted by Ctrl-C", exit_code=INTERRUPTED)
        else:
            text = "".join(traceback.format_exception(kind, error, trace))
            reason = f"{kind.__name__}: {error}".splitlines()[0]
            self._failure = Outcome(
                status=Status.FAILED, reason=reason[:REASON_MAX], message=text[-MESSAGE_MAX:], exit_code=1
            )
        self._old_hook(kind, error, trace)

    def _on_exit(self, code: Any = None) -> None:
        if threading.current_thread() is threading.main_thread():
            self._code = 0 if code is None else code if isinstance(code, int) else 1
            raise _Exit(code, self._exit_was_caught)
        self._old_exit(code)

    def _exit_was_caught(self) -> None:
        self._code = 0

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self._stopped = self._stopped or "ended by SIGTERM"
        raise _Exit(TERMINATED, lambda: None)


class _Exit(SystemExit):
    """A ``SystemExit`` that tells when it was caught instead of ending the program.

    At the end of the program the interpreter drops it when no Python code runs any more; a program that
    caught it drops it while some does.
    """

    def __init__(self, code: Any, caught: Callable[[], None]) -> None:
        super().__init__(code)
        self.code = code
        self._caught = caught

    def __reduce__(self) -> tuple[Any, ...]:
        return SystemExit, (self.code,)

    def __del__(self) -> None:
        if sys._getframe().f_back is not None:
            self._caught()


def _handled(number: signal.Signals) -> bool:
    return signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, None)
