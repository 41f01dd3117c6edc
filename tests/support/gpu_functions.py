"""A user's module of functions that need GPUs, written into a folder or a repository by tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

MODULE = """
import asyncio, os, pathlib, sys, time
from dataclasses import dataclass

from clearq import Cancel, Clearq, Retry, Snooze, current, inject

app = Clearq()


@dataclass
class Found:
    card: str
    attempt: int
    double: int


@app.lifespan
async def model(app):
    yield {"factor": 2}


@app.middleware
async def said(call, ctx):
    print("around", ctx.name)
    return await call()


@app.task(gpus=1)
def train(x: int, factor: int = inject()) -> Found:
    current().progress(0.5, "half")
    return Found(os.environ["CUDA_VISIBLE_DEVICES"], current().attempt, factor * x)


@app.task(gpus=1, retries=1, retry_delay=0.05)
async def fails(message: str) -> None:
    raise ValueError(message)


@app.task(gpus=1, retries=3)
async def third(mark: str) -> int:
    seen = pathlib.Path(mark)
    seen.write_text(seen.read_text() + "x" if seen.exists() else "x")
    if current().attempt == 1 and len(seen.read_text()) == 1:
        raise Retry("not yet", delay=0.05)
    if len(seen.read_text()) == 2:
        raise Snooze(0.05)
    return current().attempt


@app.task(gpus=1)
async def cancels() -> None:
    raise Cancel("no use")


@app.task(gpus=1, timeout=0.3)
async def too_long() -> None:
    await asyncio.sleep(600)


@app.task(gpus=1, timeout=0.3, where="loop")
def blocks() -> None:
    time.sleep(600)


@app.task(gpus=1)
def dies() -> None:
    os.kill(os.getpid(), 9)


@app.task(gpus=1)
def until_told(mark: str) -> None:
    pathlib.Path(mark).write_text("begun")
    while not current().should_stop:
        time.sleep(0.02)
    pathlib.Path(mark).write_text("checkpoint")


@app.task(gpus=1)
async def once(mark: str) -> int:
    path = pathlib.Path(mark)
    if not path.exists():
        path.write_text(str(os.getpid()))
        await asyncio.sleep(600)
    return current().losses


@app.task(gpus=1)
async def large(size: int) -> str:
    return "x" * size


@app.task(gpus=1)
async def echo(text: str) -> str:
    return text


@app.task(gpus=1)
async def parents(what: Found, more: int) -> int:
    return what.double + more
"""


def write(folder: Path, text: str = MODULE, name: str = "mytasks.py") -> Path:
    """The module in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def commit(folder: Path) -> None:
    """Make the folder a repository with all that is in it."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=folder, check=True)
