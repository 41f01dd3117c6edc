"""Finding tasks: by id, or by project, name, tags and a filter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clearq.errors import UsageError
from clearq.models import Task
from clearq.sdk.connection import connection
from clearq.sdk.description import tags_of

#: Most tasks that one call looks at, the newest change first.
MOST = 10_000


@dataclass(frozen=True)
class Query:
    """What is asked for; ``None`` and empty mean any."""

    project: str | None = None
    name: str | None = None
    tags: Sequence[str] | str | None = None
    archived: bool = True  #: archived ones too
    filter: Mapping[str, Any] | None = None
    exact: bool = False  #: the whole name, instead of a regular expression found in it


def find(query: Query, limit: int = MOST) -> list[Task]:
    """Tasks that match, the newest change first.

    Of ``filter`` the entries ``status``, ``type``, ``parent``, ``system_tags`` (``archived`` only) and
    ``order_by`` are known; others raise :class:`~clearq.errors.UsageError`.
    """
    known = _known(query.filter or {})
    tags, without = _split_tags(tags_of(query.tags))
    found = connection().call(
        lambda engine: engine.tasks.find(
            project=query.project or None,
            name=query.name if query.exact and query.name else None,
            tags=tags,
            statuses=_texts(known.get("status")),
            types=_texts(known.get("type")),
            archived=None if query.archived else False,
            limit=MOST,
        )
    )
    found = [task for task in found if _matches(task, query, known, without)]
    return _ordered(found, known.get("order_by"))[:limit]


def by_id(task_id: str) -> Task:
    """The task of this id, or of the only id that begins so.

    Raises :class:`~clearq.errors.TaskNotFound`, or ConflictError for a beginning that several have.
    """

    async def read(engine: Any) -> Task:
        task: Task = await engine.tasks.get(await engine.tasks.resolve(task_id))
        return task

    return connection().call(read)


_FIELDS = frozenset({"status", "type", "parent", "system_tags", "order_by", "id", "name", "tags", "project"})


def _known(given: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise UsageError(f"task_filter has no {', '.join(unknown)}; it knows: {', '.join(sorted(_FIELDS))}")
    return given


def _matches(task: Task, query: Query, known: Mapping[str, Any], without: frozenset[str]) -> bool:
    if query.name and not query.exact and not _named(query.name, task.spec.name):
        return False
    if without & set(task.spec.tags):
        return False
    for field, value in (
        ("id", task.id),
        ("parent", task.spec.parent),
        ("name", task.spec.name),
        ("project", task.spec.project),
    ):
        if known.get(field) and value not in _texts(known[field]):
            return False
    if known.get("tags") and not set(_texts(known["tags"])) <= set(task.spec.tags):
        return False
    system = _texts(known.get("system_tags"))
    if "archived" in system and not task.archived:
        return False
    return not ("-archived" in system and task.archived)


def _named(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return pattern in name


def _split_tags(tags: Iterable[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Tags to have, and (written ``-tag``) not to have."""
    wanted = tuple(tag for tag in tags if not tag.startswith("-"))
    return wanted, frozenset(tag[1:] for tag in tags if tag.startswith("-"))


_ORDERS = {
    "last_update": lambda task: task.updated or 0.0,
    "last_change": lambda task: task.updated or 0.0,
    "status_changed": lambda task: task.status_changed or 0.0,
    "created": lambda task: task.created or 0.0,
    "started": lambda task: task.started or 0.0,
    "completed": lambda task: task.ended or 0.0,
    "name": lambda task: task.spec.name,
}


def _ordered(tasks: list[Task], order: Any) -> list[Task]:
    for field in reversed(_texts(order)):
        descending, name = field.startswith("-"), field.lstrip("-")
        if name not in _ORDERS:
            raise UsageError(f"order_by has no {name!r}; it knows: {', '.join(_ORDERS)}")
        tasks = sorted(tasks, key=_ORDERS[name], reverse=descending)
    return tasks


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(one) for one in value)
