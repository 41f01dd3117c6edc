"""A namespace to try scripts on: brings tasks into a state, calls a script, compares everything before and after.

Time is passed in, ids are short words: what a test expects can be written down as it stands in Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pformat
from typing import Any

from clearq.storage import Storage
from tests.support.state import GONE, State, changes, dump, misplaced

#: Milliseconds: when states are made, and when the script under test is called.
NOW = 1_800_000_000_000
LATER = NOW + 5_000

#: What :class:`Bench` calls its things.
TASK, QUEUE, WORKER, LABEL, SUPERVISOR = "task", "default", "w", "label-w", "s"
HOST, BOOT = "host", "boot"
NAME = {"name": "a task", "executor": "venv"}


def score(place: int = 1, priority: int = 0) -> int:
    """Order score of the ``place``-th task that was enqueued."""
    return (1000 - priority) * 2**42 + 16 * place


def event(name: str, task: str = TASK, *, at: int = LATER, **rest: str) -> dict[str, str]:
    """An entry of the event stream; empty fields are left out, as in a dump."""
    fields = {"at": str(at), "name": name, "task": task, **rest}
    return {field: text for field, text in fields.items() if text}


def status(status: str, reason: str = "", message: str = "", *, at: int = LATER) -> dict[str, str]:
    """The fields of a task's hash that every change of status writes."""
    return {
        "status": status,
        "status_reason": reason,
        "status_message": message,
        "status_changed": str(at),
        "updated": str(at),
    }


def ended(status_word: str, reason: str = "", message: str = "", **fields: Any) -> dict[str, Any]:
    """The fields of a task's hash when its attempt and the task with it have ended."""
    gone = dict.fromkeys(("stage", "holder", "gpus_held", "due", "score", "stop"), GONE)
    return status(status_word, reason, message) | {"ended": str(LATER)} | gone | fields


def lean(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a function task, which has no field that it does not need."""
    return {name: value for name, value in fields.items() if name not in ("status_reason", "status_message")}


#: What the end of an attempt under :data:`SUPERVISOR` changes beside the task, its events and the queue's order.
LET_GO: dict[str, Any] = {
    f"own:{SUPERVISOR}": GONE,
    "beats": {SUPERVISOR: GONE},
    f"queue:{QUEUE}": {"running": "0"},
    "changed": {TASK: LATER},
}


def flat(fields: Mapping[str, str]) -> list[str]:
    """A hash as scripts take it."""
    return [text for pair in fields.items() for text in pair]


def as_dict(answer: list[str]) -> dict[str, str]:
    """A hash as scripts answer it."""
    return dict(zip(answer[::2], answer[1::2], strict=True))


class Bench:
    """Makes states and compares them."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.keys = storage.keys

    async def call(self, script: str, *arguments: str | int) -> Any:
        """Run a script."""
        return await self.storage.script(script, *arguments)

    async def command(self, *words: str | int) -> Any:
        """Run a command; the second word is a key without its tag."""
        return await self.storage.command(words[0], self.keys(str(words[1])), *words[2:])

    async def state(self) -> State:
        """Everything."""
        return await dump(self.storage)

    async def check(self, script: str, *arguments: str | int, answer: Any, changed: Mapping[str, Any]) -> State:
        """The script answers so and changes exactly this; fields that ``changed`` names with the value they had
        are expected to keep it. Returns the state after it.
        """
        before = await self.state()
        given = await self.call(script, *arguments)
        after = await self.state()
        if answer is not ...:
            assert given == answer, f"{script} answered {given}"
        found, wanted = changes(before, after), _differences(before, changed)
        assert found == wanted, f"{script} changed\n{pformat(found, width=150)}\nnot\n{pformat(wanted, width=150)}"
        assert misplaced(after) == []
        return after

    async def refuse(self, script: str, *arguments: str | int, answer: Any) -> None:
        """The script answers so and changes nothing at all."""
        await self.check(script, *arguments, answer=answer, changed={})

    # States

    async def draft(self, id: str = TASK, **fields: str) -> None:
        """A draft; ``__`` in a field's name stands for a dot."""
        await self.call("create", NOW, id, f"make-{id}", *flat(_fields(fields)))

    async def queued(
        self, id: str = TASK, queue: str = QUEUE, *, priority: str = "", delay: str = "", at: int = NOW, **fields: str
    ) -> None:
        """A waiting task."""
        arguments = [at, id, queue, priority, delay, "", f"enqueue-{id}", "nc", queue, "", ""]
        answer = await self.call("enqueue", *arguments, *flat(_fields(fields)))
        assert answer[0] == "queued", answer

    async def worker(self, id: str = WORKER, lanes: str = "q:default", host: str = HOST) -> None:
        """A registered worker."""
        answer = await self.call(
            "register", NOW, id, f"label-{id}", lanes, "kind", "agent", "host_id", host, "boot_id", BOOT
        )
        assert answer == ["registered"], answer

    async def claimed(self, id: str = TASK, worker: str = WORKER, *, gpus: tuple[str, ...] = (), **fields: str) -> str:
        """A task that an agent has claimed and nobody started; its fence."""
        await self._prepare(id, worker, fields)
        rev, queue = (await self.command("HMGET", f"t:{id}", "rev", "queue")) or ("0", QUEUE)
        queue_rev = await self.command("HGET", f"queue:{queue}", "rev")
        answer = await self.call(
            "claim_task", NOW, worker, f"c-{id}", id, rev or "0", queue, queue_rev, HOST, BOOT, *gpus
        )
        assert answer[0] == "claimed", answer
        return str(answer[1])

    async def running(self, id: str = TASK, holder: str = SUPERVISOR, **rest: Any) -> str:
        """A task whose user code runs under a supervisor; its fence."""
        fence = await self.claimed(id, **rest)
        await self.call("start", NOW, id, fence, holder)
        await self.call("stage", NOW, id, fence, "running")
        return fence

    async def function(self, id: str = TASK, worker: str = WORKER, **fields: str) -> str:
        """A function task that a function worker runs; its fence."""
        await self._prepare(id, worker, {"fn": "app.work", **fields})
        number = int(await self.command("HGET", f"worker:{worker}", "claim") or "0") + 1
        answer = await self.call("claim_many", NOW, worker, f"c-{id}", 1, number, "fn", QUEUE, 1)
        assert answer[1][0] == id, answer
        return str(answer[1][1])

    async def lost(self, id: str = TASK, holder: str = SUPERVISOR, **rest: Any) -> str:
        """A script whose supervisor was declared dead; its fence."""
        fence = await self.running(id, holder, **rest)
        await self.call("reclaim", NOW, holder, "", "silent")
        return fence

    async def manual(self, id: str = TASK, holder: str = SUPERVISOR) -> str:
        """A run by hand; its fence."""
        answer = await self.call("begin", NOW, id, holder, f"c-{id}", LABEL, HOST, BOOT, *flat(NAME))
        return str(answer[1])

    async def ended(self, status: str = "completed", id: str = TASK, **rest: Any) -> str:
        """A task that ran to its end; its fence."""
        fence = await self.running(id, **rest)
        await self.call("finish", NOW, id, fence, status, "", "", "")
        return fence

    async def in_status(self, status: str, id: str = TASK) -> None:
        """A task with this status, whichever way."""
        match status:
            case "created":
                await self.draft(id)
            case "queued":
                await self.queued(id)
            case "in_progress":
                await self.running(id)
            case "published" | "closed":
                await self.ended("completed" if status == "published" else "stopped", id)
                await self.call("mark", NOW, id, status, "", "", "")
            case _:
                await self.ended(status, id)

    async def _prepare(self, id: str, worker: str, fields: Mapping[str, str]) -> None:
        if not await self.command("HEXISTS", "beats", worker):
            await self.worker(worker)
        if not await self.command("EXISTS", f"t:{id}"):
            await self.queued(id, **fields)


def _fields(fields: Mapping[str, str]) -> dict[str, str]:
    return NAME | {name.replace("__", "."): text for name, text in fields.items()}


def _differences(before: State, expected: Mapping[str, Any]) -> dict[str, Any]:
    """``expected`` without what is so already."""
    found: dict[str, Any] = {}
    for key, value in expected.items():
        old = before.get(key, GONE)
        if old is value is GONE:
            continue
        if isinstance(value, Mapping):
            old = {} if old is GONE else old
            value = {name: new for name, new in value.items() if old.get(name, GONE) != new}
            if not value:
                continue
        found[key] = value
    return found
