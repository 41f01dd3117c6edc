"""The part of ``Task`` that finds tasks: this process's own, one, or all that match."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

from clearq.sdk.current import current, current_run, set_current
from clearq.sdk.face import TaskHandle
from clearq.sdk.lookup import Query, by_id, find

log = logging.getLogger("clearq.sdk")


class Found(TaskHandle):
    """Look tasks up."""

    @classmethod
    def current_task(cls) -> Self | None:
        """The task of this process, or ``None``. A child of a run gets its parent's task."""
        task = current()
        if isinstance(task, cls):
            return task
        joined = current_run()
        if joined is None:
            return None
        made = cls(run=joined)
        set_current(made)
        return made

    @classmethod
    def get_task(
        cls,
        task_id: str | None = None,
        project_name: str | None = None,
        task_name: str | None = None,
        tags: Sequence[str] | None = None,
        allow_archived: bool = True,
        task_filter: Mapping[str, Any] | None = None,
    ) -> Self | None:
        """One task by id, or the one changed last of those that match; ``None`` when none does.

        Raises :class:`~clearq.errors.TaskNotFound` for an id that there is not.
        """
        if task_id:
            run = current_run()
            present = cls.current_task() if run is not None and run.id == task_id else None
            return present or cls(task=by_id(task_id))
        query = Query(project_name, task_name, tags, allow_archived, task_filter, exact=True)
        found = find(query)
        if len(found) > 1:
            log.warning("clearq: %d tasks match; the one changed last is taken (%s)", len(found), found[0].id)
        return cls(task=found[0]) if found else None

    @classmethod
    def get_tasks(
        cls,
        task_ids: Sequence[str] | None = None,
        project_name: str | None = None,
        task_name: str | None = None,
        tags: Sequence[str] | None = None,
        allow_archived: bool = True,
        task_filter: Mapping[str, Any] | None = None,
    ) -> list[Self]:
        """Tasks by their ids, or all that match, the newest change first.

        ``task_name`` is a regular expression, found anywhere in the name.
        """
        if task_ids:
            return [cls(task=by_id(task_id)) for task_id in task_ids]
        query = Query(project_name, task_name, tags, allow_archived, task_filter)
        return [cls(task=task) for task in find(query)]

    @classmethod
    def query_tasks(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        tags: Sequence[str] | None = None,
        additional_return_fields: Sequence[str] | None = None,
        task_filter: Mapping[str, Any] | None = None,
    ) -> list[str] | list[dict[str, Any]]:
        """Ids of all that match, or dictionaries of ``id`` and the fields asked for."""
        found = find(Query(project_name, task_name, tags, True, task_filter))
        if not additional_return_fields:
            return [task.id for task in found]
        plain = [{**task.model_dump(mode="json"), **task.spec.model_dump(mode="json")} for task in found]
        return [{"id": task["id"], **{name: task.get(name) for name in additional_return_fields}} for task in plain]
