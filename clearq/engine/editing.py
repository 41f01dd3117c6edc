"""Rewriting a task's description, while others may do so at the same time."""

from __future__ import annotations

from collections.abc import Callable

from clearq.engine import codec
from clearq.engine.answers import conflict, missing_task, stale, unexpected
from clearq.models.task import TaskSpec
from clearq.storage import Storage


async def rewrite(
    storage: Storage, task_id: str, change: Callable[[TaskSpec], TaskSpec], fence: str, force: bool
) -> None:
    """Store what ``change`` makes of the present description; it is called again when that was edited meanwhile.

    Raises StatusConflict, Stale, TaskNotFound.
    """
    while True:
        before = await storage.command("HGETALL", storage.keys("t", task_id))
        if not before:
            raise missing_task(task_id)
        after = codec.encode_spec(change(codec.decode_spec(before)))
        gone = [name for name in before if codec.is_spec_field(name) and name not in after]
        fields = {name: value for name, value in after.items() if before.get(name) != value}
        arguments = [task_id, before.get("rev", "0"), fence, "1" if force else "", str(len(gone)), *gone]
        answer = await storage.script("edit", "", *arguments, *codec.dict_to_flat(fields))
        match answer[0]:
            case "edited":
                return
            case "moved":
                continue
            case "missing":
                raise missing_task(task_id)
            case "stale":
                raise stale(task_id, fence)
            case "conflict":
                raise conflict(task_id, answer[1], "edited")
        raise unexpected("edit", answer)
