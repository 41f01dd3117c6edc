"""What all adapters share. They run in the peers' own environments: the standard library only, and no clearq."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

#: Redis protocol, with a password, on the loopback port of the bench's own server.
URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:1/0")
_PARTS = urlsplit(URL)
HOST, PORT, PASSWORD = _PARTS.hostname or "", _PARTS.port or 0, _PARTS.password or ""

#: Are results to be stored, by peers that can do without?
RESULTS = os.environ.get("BENCH_RESULTS", "1") == "1"
#: Is this a worker process (else a client)?
WORKER = os.environ.get("BENCH_ROLE") == "worker"

_FIRST, _LAST = int(os.environ.get("BENCH_FIRST", "0")), int(os.environ.get("BENCH_LAST", "0"))
_FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
_numbers = itertools.count(1)
_begun: tuple[float, float] = (0.0, 0.0)


def ran() -> None:
    """A no-op task ran. Between the first and the last one that count, the process takes its time and CPU time."""
    global _begun
    number = next(_numbers)
    if number == _FIRST:
        _begun = time.monotonic(), time.process_time()
    elif number == _LAST:
        spent = {"seconds": time.monotonic() - _begun[0], "cpu": time.process_time() - _begun[1]}
        _write("drained.json", json.dumps({**spent, "tasks": _LAST - _FIRST}))


def began(number: int) -> None:
    """A task that is held open began: one file each time."""
    _write(f"began.{number}.{os.getpid()}.{time.monotonic_ns()}", "")


def fast_loop() -> None:
    """uvloop for the loops that are made from now on."""
    import uvloop  # only some environments have it

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def _write(name: str, text: str) -> None:
    """Whole or not at all."""
    draft = _FOLDER / f".{name}"
    draft.write_text(text)
    draft.rename(_FOLDER / name)


if "uvloop" not in sys.modules and os.environ.get("BENCH_UVLOOP") == "1":
    fast_loop()
