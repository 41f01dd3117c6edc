"""Artifacts on their way to the store: one background thread copies the files, one after another."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable

from clearq.errors import ArtifactError

log = logging.getLogger("clearq.sdk")

#: Stores one artifact; raises :class:`~clearq.errors.ArtifactError`.
Upload = Callable[[], None]


class Uploads:
    """Uploads of one run. The thread is started on first use, so that it also works while the program ends."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Upload] = queue.Queue()
        self._idle = threading.Condition()
        self._left = 0
        self._thread: threading.Thread | None = None

    def add(self, upload: Upload) -> None:
        """Carry out ``upload`` in its turn; a failure is a warning."""
        with self._idle:
            self._left += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clearq-uploads", daemon=True)
                self._thread.start()
        self._waiting.put(upload)

    def wait(self, timeout: float) -> bool:
        """Until nothing is under way; ``False`` after ``timeout`` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: self._left == 0, timeout)

    def close(self, timeout: float) -> None:
        """Wait for the rest at the end of the program, and say so when it takes long."""
        if self.wait(1.0):
            return
        sys.stderr.write(f"clearq: waiting for {self._left} artifacts to be stored\n")
        if not self.wait(timeout):
            sys.stderr.write(f"clearq WARNING - {self._left} artifacts were not stored in {timeout:g} s\n")

    def _run(self) -> None:
        while True:
            upload = self._waiting.get()
            try:
                upload()
            except ArtifactError as error:
                log.warning("clearq: %s", error)
            except Exception as error:  # noqa: BLE001  # one bad artifact must not stop the others
                log.warning("clearq: an artifact could not be stored: %s", error)
            with self._idle:
                self._left -= 1
                self._idle.notify_all()
