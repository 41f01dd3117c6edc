"""The part of ``Task`` that sends tasks to queues, as they are or as copies, and this very program to an agent."""

from __future__ import annotations

from typing import Any, Self

from clearq.errors import UsageError
from clearq.sdk import remote
from clearq.sdk.connection import connection
from clearq.sdk.description import Description
from clearq.sdk.found import Found
from clearq.sdk.lookup import by_id


class Queued(Found, Description):
    """Clone, enqueue, dequeue, run elsewhere."""

    @classmethod
    def clone(
        cls,
        source_task: Queued | str | None = None,
        name: str | None = None,
        comment: str | None = None,
        parent: str | None = None,
        project: str | None = None,
    ) -> Self:
        """A draft with the same description and a new id; its name is ``Clone of ...`` unless given."""
        source = cls._id_of(source_task)
        name = name or f"Clone of {cls._named(source_task)}"
        task = connection().call(
            lambda engine: engine.tasks.clone(source, name=name, project=project, comment=comment, parent=parent)
        )
        return cls(task=task)

    @classmethod
    def enqueue(
        cls,
        task: Queued | str,
        queue_name: str | None = None,
        queue_id: str | None = None,
        force: bool = False,
    ) -> dict[str, Any]:
        """Put a draft (or a stopped or failed task; with ``force`` any ended one) into a queue.

        Returns ClearML's answer: ``queued``, ``updated`` and ``fields``. Raises StatusConflict for a task that
        waits or runs already, QueueNotFound with the queues there are.
        """
        queue = queue_id or queue_name
        if not queue:
            raise UsageError("Task.enqueue() needs queue_name or queue_id.")
        task_id = cls._id_of(task)
        answer = connection().call(lambda engine: engine.tasks.enqueue(task_id, queue, force=force))
        return answer.model_dump()

    @classmethod
    def dequeue(cls, task: Queued | str) -> dict[str, Any]:
        """Take a waiting task out of its queue; it is a draft again."""
        task_id = cls._id_of(task)
        connection().call(lambda engine: engine.tasks.dequeue(task_id))
        return {"dequeued": 1, "updated": 1, "fields": {"status": "created"}}

    @classmethod
    def get_num_enqueued_tasks(cls, queue_name: str | None = None, queue_id: str | None = None) -> int:
        """How many tasks wait in a queue."""
        queue = queue_id or queue_name
        if not queue:
            raise UsageError("Task.get_num_enqueued_tasks() needs queue_name or queue_id.")
        return connection().call(lambda engine: engine.queues.get(queue)).waiting

    def execute_remotely(
        self, queue_name: str | None = None, clone: bool = False, exit_process: bool = True
    ) -> Self | None:
        """Stop here and run this program on an agent, from its beginning. Under an agent: nothing happens.

        ``clone`` sends a copy. Without ``exit_process`` (only with ``clone``) the program goes on here and the
        copy is returned. Raises :class:`~clearq.errors.UsageError`, QueueNotFound, SpecError,
        EnvironmentFailed, StorageUnavailable.
        """
        run = self._run
        if run is not None and run.mode != "manual":
            return None
        queue = queue_name or "default"
        if run is None:
            return self._send_other(queue, clone)
        remote.check(clone, exit_process)
        sent = remote.send(run, queue, clone=clone, end=exit_process)
        if exit_process:
            remote.leave()
        return type(self)(task=by_id(sent))

    def _send_other(self, queue: str, clone: bool) -> Self:
        """Of a task that is not this program's own, there is nothing to stop here."""
        task = type(self).clone(self, name=self.name) if clone else self
        type(self).enqueue(task, queue_name=queue)
        return task

    @classmethod
    def _named(cls, source: Queued | str | None) -> str:
        if isinstance(source, str):
            return by_id(source).spec.name
        return source.name if source is not None else cls._present().name

    @classmethod
    def _id_of(cls, task: Queued | str | None) -> str:
        if isinstance(task, str):
            return by_id(task).id
        present = task if task is not None else cls._present()
        present.settle()
        return present.id

    @classmethod
    def _present(cls) -> Self:
        task = cls.current_task()
        if task is None:
            raise UsageError("No task was given and this program has none: call Task.init() first.")
        return task
