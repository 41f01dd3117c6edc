"""What the soak runs. Each start leaves one line in a file of its process; each result tells what it may be held to."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from typing import TypedDict

from clearq import Clearq, limit
from clearq.functions.context import current

#: Seconds a result is kept: the least there is, so that a soak sees them go.
KEEP = 60

_FOLDER = os.environ.get("SOAK_FOLDER", "")
_files: dict[int, int] = {}

app = Clearq()


class Told(TypedDict):
    """A result."""

    number: int
    losses: int  #: times that its worker died under it, or before it had begun
    after: float  #: seconds from enqueue to this start
    overlap: bool  #: another ran under the same key of a limit of one


def mark(text: str) -> None:
    """One line, in one call of the system: whole, whenever the process is killed."""
    pid = os.getpid()
    if pid not in _files:
        _files[pid] = os.open(f"{_FOLDER}/marks.{pid}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(_files[pid], f"{text}\n".encode())


def begun(number: int) -> Told:
    """Leave the mark of a start."""
    mark(str(number))
    context = current()
    return Told(number=number, losses=context.losses, after=time.time() - context.enqueued, overlap=False)


@app.task(name="loop", keep_result=KEEP)
async def loop(number: int) -> Told:
    return begun(number)


@app.task(name="sleeps", keep_result=KEEP)
async def sleeps(number: int) -> Told:
    told = begun(number)
    await asyncio.sleep(0.05)
    return told


@app.task(name="thread", keep_result=KEEP)
def thread(number: int) -> Told:
    told = begun(number)
    current().progress(0.5, "half")
    time.sleep(0.002)
    return told


@app.task(name="process", keep_result=KEEP, where="process")
def process(number: int) -> Told:
    return begun(number)


@app.task(name="second", keep_result=KEEP, retries=2, retry_delay=0.2)
async def second(number: int) -> Told:
    """Fails once."""
    told = begun(number)
    if not current().failures:
        raise ValueError("not the first time")
    return told


@app.task(name="only", keep_result=KEEP, unique="soak:{number}")
async def only(number: int) -> Told:
    return begun(number)


@app.task(name="child", keep_result=KEEP)
async def child(parent: Told, number: int) -> Told:
    """Waits for ``parent``."""
    told = begun(number)
    told["overlap"] = parent["number"] != number - 1
    return told


@app.task(name="limited", keep_result=KEEP, limits=limit(key="soak:{key}", concurrent=1))
async def limited(number: int, key: str) -> Told:
    """Runs under a limit of one a key; a file lock, which dies with its process, tells when two do."""
    told = begun(number)
    lock = os.open(f"{_FOLDER}/lock.{key}", os.O_WRONLY | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await asyncio.sleep(0.005)
    except BlockingIOError:
        told["overlap"] = True
    finally:
        os.close(lock)
    return told


@app.cron("* * * * * *", name="tick")
@app.task(name="tick", keep_result=KEEP)
async def tick() -> None:
    mark(f"tick {current().id} {current().losses}")
