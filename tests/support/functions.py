"""Real function workers for tests, and an app whose functions leave marks in a file."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import orjson
import psutil

from clearq.engine import Engine
from clearq.engine.calls import Call, State
from clearq.engine.ids import new_id
from clearq.settings import Settings
from tests.support.agents import until

APP = '''
import asyncio, ctypes, os, time
from clearq import Clearq
from clearq.functions.context import current
from clearq.functions.signals import Cancel, Retry, Snooze

app = Clearq()
FOLDER = os.environ["MARKS"]

def mark(word, number=""):
    with open(FOLDER + "/marks", "a") as file:
        file.write(f"{word} {number}\\n")

async def gate(name):
    while not os.path.exists(f"{FOLDER}/{name}"):
        await asyncio.sleep(0.01)

@app.task(name="hold")
async def hold(number: int) -> int:
    mark("begin", number)
    await gate("go")
    mark("end", number)
    return number

@app.task(name="count")
async def count(number: int) -> int:
    mark("count", number)
    return number

@app.task(name="pid_when_free")
async def pid_when_free() -> int:
    mark("begin", os.getpid())
    await gate("go")
    return os.getpid()

@app.task(name="block")
async def block(seconds: float) -> str:
    mark("begin")
    time.sleep(seconds)
    return "blocked"

@app.task(name="block_when_free")
async def block_when_free(seconds: float) -> str:
    mark("begin")
    await gate("go")
    mark("blocks")
    time.sleep(seconds)
    return "blocked"

@app.task(name="block_with_timeout", timeout=0.2, losses=0)
async def block_with_timeout() -> None:
    mark("blocked")
    time.sleep(60)

@app.task(name="grab")
async def grab(seconds: float) -> str:
    """Hold the interpreter: PyDLL does not let go of it."""
    mark("begin")
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return "grabbed"

@app.task(name="thread")
def thread(number: int) -> int:
    mark("begin", number)
    while not os.path.exists(FOLDER + "/go"):
        time.sleep(0.01)
    mark("end", number)
    return number

@app.task(name="sleepy_thread", timeout=0.3)
def sleepy_thread() -> None:
    time.sleep(2)

@app.task(name="process", where="process")
def process(number: int) -> int:
    return os.getpid()

@app.task(name="second_time_process", where="process", retries=1, retry_delay=0.05)
def second_time_process() -> list[object]:
    context = current()
    if not context.failures:
        raise ValueError("not yet")
    return [context.attempt, context.failures, context.losses, context.enqueued > 0]

@app.task(name="broken_process", where="process")
def broken_process() -> None:
    raise ValueError("broken there")

@app.task(name="sleepy_process", where="process", timeout=0.5)
def sleepy_process() -> None:
    mark("process", os.getpid())
    time.sleep(60)

@app.task(name="sleepy", timeout=0.2)
async def sleepy() -> None:
    await asyncio.sleep(60)

@app.task(name="second_time", retries=3, retry_delay=0.05)
async def second_time() -> int:
    mark("try")
    if current().attempt < 3:
        raise ValueError("not yet")
    return current().attempt

@app.task(name="cancelled")
async def cancelled() -> None:
    raise Cancel("not wanted")

@app.task(name="snoozed")
async def snoozed() -> int:
    if not os.path.exists(FOLDER + "/snoozed"):
        open(FOLDER + "/snoozed", "w").close()
        raise Snooze(0.05)
    return current().attempt

@app.task(name="leave")
async def leave() -> None:
    raise SystemExit(3)

@app.task(name="become_another_program", where="thread", losses=0)
def become_another_program() -> None:
    os.execv("/bin/sleep", ["sleep", "60"])

@app.task(name="end_the_process")
async def end_the_process() -> None:
    mark("ends")
    os._exit(5)

@app.task(name="recurse")
async def recurse(depth: int) -> int:
    mark("depth", depth)
    if depth:
        await recurse.enqueue(depth - 1)
    return depth
'''


class WorkerProcess:
    """One ``clearq worker run``."""

    def __init__(self, settings: Settings, folder: Path, words: tuple[str, ...], app: str = "jobs:app") -> None:
        self.log = folder / f"worker-{os.urandom(3).hex()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "clearq", "worker", "run", app, *words],
                cwd=folder,
                env={
                    **os.environ,
                    "CLEARQ_URL": settings.url.get_secret_value(),
                    "CLEARQ_NAMESPACE": settings.namespace,
                    "CLEARQ_HOME": str(settings.home),
                    "CLEARQ_HEARTBEAT": str(settings.heartbeat),
                    "CLEARQ_DEAD_AFTER": str(settings.dead_after),
                    "MARKS": str(folder),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def children(self) -> list[psutil.Process]:
        """The processes that run functions; not the spare one."""
        return [child for child in psutil.Process(self.process.pid).children() if not is_spare(child)]

    def text(self) -> str:
        """What it and its children have printed."""
        return self.log.read_text(errors="replace")

    def signal_all(self, number: signal.Signals) -> None:
        """To parent and children alike."""
        os.killpg(self.process.pid, number)

    def stop(self, timeout: float = 30) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout)


class Workers:
    """Workers of one folder, and what they have done."""

    def __init__(self, settings: Settings, engine: Engine, folder: Path) -> None:
        self.settings, self.engine, self.folder = settings, engine, folder
        self.started: list[WorkerProcess] = []
        (folder / "jobs.py").write_text(APP)

    async def start(self, *words: str, app: str = "jobs:app") -> WorkerProcess:
        """One that is registered and works."""
        worker = WorkerProcess(self.settings, self.folder, words, app)
        self.started.append(worker)

        async def ready() -> bool:
            assert worker.process.poll() is None, worker.text()
            return "server " in worker.text()

        await until(ready, "the worker is ready")
        return worker

    async def enqueue(self, fn: str, *args: object, **more: object) -> str:
        """One call; its id."""
        call = Call(new_id(), fn, orjson.dumps(args), **more)  # type: ignore[arg-type]
        assert await self.engine.functions.enqueue(call) == "queued"
        return call.id

    async def ended(self, *ids: str, timeout: float = 40) -> list[State]:
        """Their states, once all have ended."""

        async def states() -> list[State]:
            found = await self.engine.functions.states(ids)
            return found if all(state.ended for state in found) else []

        found = await until(states, "the functions end", timeout)
        assert isinstance(found, list)
        return found

    async def fields(self, id: str) -> dict[str, str]:
        """A task as it is stored."""
        found: dict[str, str] = await self.engine.storage.command("HGETALL", self.engine.storage.keys("t", id))
        return found

    @property
    def marks(self) -> Counter[str]:
        """How often each mark was left."""
        file = self.folder / "marks"
        return Counter(file.read_text().splitlines()) if file.exists() else Counter()

    async def marked(self, word: str, times: int) -> None:
        """Until so many marks begin with ``word``."""

        async def there() -> bool:
            return sum(count for mark, count in self.marks.items() if mark.split()[0] == word) >= times

        await until(there, f"{times} marks {word}")

    def go(self, name: str = "go") -> None:
        """Let those that wait go on."""
        (self.folder / name).touch()

    async def close(self) -> None:
        """End all."""
        for worker in self.started:
            if worker.process.poll() is None:
                worker.signal_all(signal.SIGCONT)
                worker.signal_all(signal.SIGKILL)
            worker.process.wait(10)
        await asyncio.sleep(0)


def is_spare(process: psutil.Process) -> bool:
    """Is it a worker's process that waits to take the place of one that dies?"""
    try:
        return process.cmdline()[-1:] == ["spare"] and not process.name().startswith("clearq-function")
    except psutil.NoSuchProcess:
        return False
