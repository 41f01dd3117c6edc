"""``ClearqArqRedis``: arq's ``ArqRedis`` as far as jobs go."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import time
from typing import Any
from uuid import uuid4

from clearq.app import Clearq
from clearq.arq import payload
from clearq.arq.jobs import Job
from clearq.arq.words import EXPIRES, QUEUE, seconds
from clearq.engine.calls import Call
from clearq.functions.client import client_of


class ClearqArqRedis:
    """Enqueues jobs for ``clearq worker run --arq``. It is no Redis client: keep one of your own for your own keys.

    Either an ``app`` (which stays yours to close) or a ``url``; with neither, ``CLEARQ_URL`` or the embedded server.
    """

    def __init__(self, app: Clearq | None = None, *, url: str | None = None, default_queue_name: str = QUEUE) -> None:
        self.app = app if app is not None else Clearq(url)
        self.default_queue_name = default_queue_name

    async def enqueue_job(
        self,
        function: str,
        *args: Any,
        _job_id: str | None = None,
        _queue_name: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: float | timedelta | None = None,
        _expires: float | timedelta | None = None,
        _job_try: int | None = None,
        **kwargs: Any,
    ) -> Job | None:
        """Put a job into a queue. ``None`` when there is a job of that id, or its result.

        Durations are seconds. Raises RuntimeError for two defers, PayloadError for arguments that cannot travel.
        """
        if _defer_until and _defer_by:
            raise RuntimeError("use either 'defer_until' or 'defer_by' or neither, not both")
        job_id, queue = _job_id or uuid4().hex, _queue_name or self.default_queue_name
        now, delay = time(), seconds(_defer_by)
        due = _defer_until.timestamp() if _defer_until else None
        start = due if due is not None else now + (delay or 0.0)
        expires = now + (seconds(_expires) or start - now + EXPIRES)
        # The nonce tells this job from another of the same id and arguments.
        data = {"id": job_id, "at": start, "expires": expires, "nonce": uuid4().hex[:8]}
        if _job_try:
            data["try"] = _job_try
        task_id = payload.task_id(job_id)
        client = await client_of(self.app)
        if _job_id and (await client.functions.states([task_id]))[0].status:
            return None
        encoded = payload.encode(function, (data, *args), kwargs, self.app.settings)
        call = Call(task_id, function, encoded, queue, delay=delay, due=due)
        if len(encoded) > client.inline:
            [call] = await client.payloads.aside([call])
        word = await client.functions.enqueue(call)
        if word != "queued":
            await client.payloads.unused(call.args)
        return Job(job_id, self, _queue_name=queue) if word == "queued" else None

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close its connections."""
        await self.app.close()

    close = aclose

    async def __aenter__(self) -> ClearqArqRedis:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def create_pool(
    settings_: Any = None, *, default_queue_name: str = QUEUE, url: str | None = None, **_: Any
) -> ClearqArqRedis:
    """As arq's: ``settings_`` is arq's RedisSettings. Raises StorageUnavailable."""
    redis = ClearqArqRedis(url=url or url_of(settings_), default_queue_name=default_queue_name)
    await redis.app.engine()
    return redis


def url_of(settings: Any) -> str | None:
    """The URL that arq's RedisSettings mean; None for none. Sentinel is not served: raises RuntimeError."""
    if settings is None:
        return None
    if settings.sentinel or not isinstance(settings.host, str):
        raise RuntimeError("clearq connects to one Redis server: set CLEARQ_URL to the primary instead of a sentinel.")
    from urllib.parse import quote

    who = f"{quote(settings.username or '', safe='')}:{quote(settings.password, safe='')}@" if settings.password else ""
    if settings.unix_socket_path:
        return f"unix://{who}{settings.unix_socket_path}?db={settings.database}"
    return f"{'rediss' if settings.ssl else 'redis'}://{who}{settings.host}:{settings.port}/{settings.database}"
