"""Start a process that goes on without the command that started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clearq.settings import Settings


def spawn(settings: Settings, words: list[str], output: Path) -> subprocess.Popen[bytes]:
    """A Python process of these settings in a session of its own, its output in a file.

    Secrets go by the environment, never by the command line.
    """
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
            env={
                **os.environ,
                "CLEARQ_URL": settings.url.get_secret_value(),
                "CLEARQ_NAMESPACE": settings.namespace,
                "CLEARQ_HOME": str(settings.home),
            },
        )
    finally:
        os.close(handle)
