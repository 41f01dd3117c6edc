"""``clearq worker run --arq my.WorkerSettings``: an app made of an arq ``WorkerSettings``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from clearq.app import Clearq
from clearq.arq.calls import AfterEnd, Hooks, Limits, wrapped
from clearq.arq.crons import rule_of, zone_name
from clearq.arq.payload import serializer_of
from clearq.arq.redis import ClearqArqRedis, url_of
from clearq.errors import ConfigurationError
from clearq.functions.options import Options
from clearq.functions.registry import Registered
from clearq.settings import Settings

#: Seconds that a result is kept for ever.
FOREVER = 10 * 365 * 86_400.0

#: The wrapper counts arq's tries; the engine's own count never ends one.
ENDLESS = 1_000_000


def __clearq_app__(name: str) -> Clearq:
    """The app of the settings ``my.module.WorkerSettings`` (or ``my.module:WorkerSettings``).

    Raises ConfigurationError for settings that cannot be served, or whatever their module raises.
    """
    given = _given(_imported(name))
    settings = Settings()
    if settings.embedded and given["redis_settings"] is not None:
        app = Clearq(url_of(given["redis_settings"]))
    else:
        app = Clearq(settings=settings)
    return _Builder(app, given).build()


class _Builder:
    def __init__(self, app: Clearq, given: Mapping[str, Any]) -> None:
        self.app, self.given = app, given
        self.queue = given["queue_name"]
        self.redis = ClearqArqRedis(app, default_queue_name=self.queue)
        self.ctx: dict[Any, Any] = dict(given["ctx"] or {})
        self.ctx["redis"] = self.redis
        self.after = AfterEnd(app, given["after_job_end"])
        self.hooks = Hooks(self.ctx, given["on_job_start"], given["on_job_end"], self.after)

    def build(self) -> Clearq:
        func = importlib.import_module("arq.worker").func
        for function in map(func, self.given["functions"]):
            self._add(function)
        zone = zone_name(self.given["timezone"]) if self.given["cron_jobs"] else "UTC"
        for job in self.given["cron_jobs"] or ():
            self._add(job)
            self.app.crons.append(rule_of(job, self.queue, zone, self.app.settings))
        if not len(self.app.registry):
            raise ConfigurationError("The arq settings name no function and no cron job: at least one is needed.")
        self.app.concurrency = int(self.given["max_jobs"])
        self.app.lifespan(self._lifespan)
        return self.app

    def _add(self, function: Any) -> None:
        """An arq Function or CronJob: what they do not say, the settings say."""
        forever = _first(function.keep_result_forever, self.given["keep_result_forever"])
        keep = FOREVER if forever else _seconds(_first(function.keep_result_s, self.given["keep_result"]))
        limits = Limits(
            timeout=_seconds(_first(function.timeout_s, self.given["job_timeout"])),
            tries=int(_first(function.max_tries, self.given["max_tries"])),
            retry=bool(self.given["retry_jobs"]),
        )
        self.app.registry.add(
            Registered(
                function.name,
                wrapped(function.coroutine, limits, self.hooks),
                Options(queue=self.queue, retries=ENDLESS, retry_delay=0.0, keep_result=keep),
                serializer=serializer_of(self.app.settings),
            )
        )

    @asynccontextmanager
    async def _lifespan(self, app: Clearq) -> AsyncIterator[dict[str, Any]]:
        if self.given["on_startup"]:
            await self.given["on_startup"](self.ctx)
        for job in self.given["cron_jobs"] or ():
            if job.run_at_startup:
                await self.redis.enqueue_job(job.name)
        try:
            yield {}
        finally:
            await self.after.close()
            try:
                if self.given["on_shutdown"]:
                    await self.given["on_shutdown"](self.ctx)
            finally:
                await app.close()


def _imported(name: str) -> Any:
    module, colon, attribute = name.partition(":")
    if not colon:
        module, _, attribute = name.rpartition(".")
    if not module or not attribute:
        raise ConfigurationError(f"{name!r} names no settings; write module.WorkerSettings.")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ConfigurationError(f"Module {module!r} has no {attribute!r}.")
    return found


def _given(settings: Any) -> dict[str, Any]:
    """All arguments of arq's Worker: what the settings say, else arq's own defaults."""
    try:
        worker = importlib.import_module("arq.worker")
    except ImportError:
        raise ConfigurationError("arq is not installed here: pip install 'clearq[arq]'.") from None
    defaults = {name: entry.default for name, entry in inspect.signature(worker.Worker).parameters.items()}
    given = {**defaults, **worker.get_kwargs(settings)}
    for name in ("job_serializer", "job_deserializer", "redis_pool"):
        if given.get(name) is not None:
            raise ConfigurationError(
                f"{name} is not served: arguments travel as JSON, or as signed pickle where CLEARQ_SIGNING_KEY is set."
            )
    given["queue_name"] = given["queue_name"] or defaults["queue_name"]
    return given


def _first(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _seconds(value: Any) -> float:
    return float(value.total_seconds() if hasattr(value, "total_seconds") else value)
