"""``Job``: arq's methods on a task of clearq."""

from __future__ import annotations

import asyncio
import builtins
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from clearq.arq import payload
from clearq.arq.words import QUEUE, JobDef, JobResult, JobStatus, ResultNotFound
from clearq.errors import ArtifactError, FunctionFailed, PayloadError, StatusConflict, TaskNotFound
from clearq.functions.client import client_of

if TYPE_CHECKING:
    from clearq.arq.redis import ClearqArqRedis

_FIELDS = ("fn", "queue", "enqueued", "status", "due", "failures", "losses", "started", "ended")


class Job:
    """One job, by the id that it was enqueued under."""

    __slots__ = ("_queue_name", "_redis", "job_id")

    def __init__(self, job_id: str, redis: ClearqArqRedis, _queue_name: str = QUEUE, _deserializer: Any = None) -> None:
        self.job_id = job_id
        self._redis = redis
        self._queue_name = _queue_name

    @property
    def id(self) -> str:
        """The task's id in clearq."""
        return payload.task_id(self.job_id)

    def __repr__(self) -> str:
        return f"<arq job {self.job_id}>"

    async def result(
        self, timeout: float | None = None, *, poll_delay: float = 0.5, pole_delay: float | None = None
    ) -> Any:
        """What the job returned, waiting for it. ``poll_delay`` is not needed: the end of a job rings a bell.

        Raises what the job raised where that is one of Python's own exceptions, else FunctionFailed (it has the type,
        message and traceback); CancelledError when it was aborted; TimeoutError; ResultNotFound.
        """
        try:
            return await self._redis.app.handle(self.id).result(timeout)
        except TaskNotFound:
            raise ResultNotFound(
                "Not waiting for job result because the job is not in queue. "
                "Is the worker function configured to keep result?"
            ) from None
        except FunctionFailed as error:
            raise _original(error) from error

    async def status(self) -> JobStatus:
        """Where it stands."""
        found = await self._fields()
        match found["status"]:
            case _ if not found["fn"]:
                return JobStatus.not_found
            case "" | "queued" | "created":
                return JobStatus.deferred if _number(found["due"]) > time() * 1000 else JobStatus.queued
            case "in_progress":
                return JobStatus.in_progress
        return JobStatus.complete

    async def info(self) -> JobDef | None:
        """All that is known of it; of one that has completed the arguments are not."""
        found = await self._fields()
        if not found["fn"]:
            return None
        if _ended(found):
            return await self._result(found)
        return JobDef(*await self._definition(found))

    async def result_info(self) -> JobResult | None:
        """As :meth:`info`, once it has ended; does not raise what the job raised."""
        found = await self._fields()
        return await self._result(found) if _ended(found) else None

    async def abort(self, *, timeout: float | None = None, poll_delay: float = 0.5) -> bool:
        """End it, running or not; True when that is how it ended. Raises TimeoutError."""
        try:
            await self._redis.app.handle(self.id).stop("aborted")
        except (TaskNotFound, StatusConflict):
            return False
        try:
            await self.result(timeout)
        except asyncio.CancelledError:
            return True
        except TimeoutError:
            raise
        except Exception:  # noqa: BLE001  # it failed by itself before it could be stopped
            return False
        return False

    async def _fields(self) -> dict[str, str]:
        storage = (await self._redis.app.engine()).storage
        values = await storage.command("HMGET", storage.keys("t", self.id), *_FIELDS)
        return dict(zip(_FIELDS, (value or "" for value in values), strict=True))

    async def _definition(self, found: dict[str, str]) -> tuple[Any, ...]:
        data, args, kwargs = await self._arguments(found["fn"])
        attempt = int(_number(found["failures"]) + _number(found["losses"])) + int(data.get("try") or 1)
        score = None if _ended(found) else int(_number(found["due"]) or _number(found["enqueued"]))
        return found["fn"], args, kwargs, attempt, _moment(found["enqueued"]), score, self.job_id

    async def _arguments(self, function: str) -> tuple[dict[str, Any], tuple[Any, ...], dict[str, Any]]:
        if payload.serializer_of(self._redis.app.settings) == "pickle":
            return {}, (), {}  # bytes that a text connection cannot read
        client = await client_of(self._redis.app)
        storage = client.engine.storage
        data = await storage.command("HGET", storage.keys("t", self.id), "args")
        try:
            whole = await client.payloads.open((data or "").encode(), f"arguments of {function}")
            return payload.decode(function, whole) if whole else ({}, (), {})
        except (PayloadError, ArtifactError):
            return {}, (), {}

    async def _result(self, found: dict[str, str]) -> JobResult:
        success, result = True, None
        try:
            result = await self.result()
        except asyncio.CancelledError as error:
            if found["status"] != "stopped":
                raise
            success, result = False, error
        except Exception as error:  # noqa: BLE001  # that it failed is the information
            success, result = False, error
        finish = _moment(found["ended"])
        start = _moment(found["started"]) if found["started"] else finish
        values = (*await self._definition(found), success, result, start, finish, self._queue_name)
        return JobResult(*values)


def _original(error: FunctionFailed) -> BaseException:
    if error.status == "stopped":
        return asyncio.CancelledError(error.cause)
    kind = getattr(builtins, error.type, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(error.cause)
        except TypeError:  # one that wants more than a message, as UnicodeDecodeError does
            return error
    return error


def _ended(found: dict[str, str]) -> bool:
    return found["fn"] != "" and found["status"] not in ("", "queued", "created", "in_progress")


def _number(text: str) -> float:
    return float(text) if text else 0.0


def _moment(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(_number(milliseconds) / 1000, UTC)
