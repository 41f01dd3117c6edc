"""The engine: all that can be done to tasks, queues, workers, events, logs and metrics."""

from __future__ import annotations

from functools import partial
from typing import Self

from clearq.engine.artifacts import Artifacts
from clearq.engine.attempts import Attempts
from clearq.engine.blobs import Blobs
from clearq.engine.claims import Claims
from clearq.engine.cron import Cron
from clearq.engine.declared import Declared
from clearq.engine.events import Events
from clearq.engine.fair import Fair
from clearq.engine.figures import FigureReader
from clearq.engine.functions import Functions
from clearq.engine.history import Historian
from clearq.engine.limits import Limits
from clearq.engine.logs import Logs
from clearq.engine.metrics import Metrics
from clearq.engine.queues import Queues
from clearq.engine.reaper import INTERVAL as REAPER_INTERVAL
from clearq.engine.reaper import Reaper
from clearq.engine.series import SAMPLE_INTERVAL, server_time
from clearq.engine.sweeper import INTERVAL as SWEEP_INTERVAL
from clearq.engine.sweeper import Sweeper
from clearq.engine.tally import Tallies
from clearq.engine.tasks import Tasks
from clearq.engine.timer import Timer
from clearq.engine.workers import Workers
from clearq.periodic import Duty
from clearq.settings import Settings
from clearq.storage import Storage


class Engine:
    """One connection's worth of engine; made by :meth:`connect`, ended by :meth:`close`."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.tasks = Tasks(storage)
        self.queues = Queues(storage)
        self.workers = Workers(storage)
        self.declared = Declared(storage)
        self.claims = Claims(storage)
        self.attempts = Attempts(storage)
        self.events = Events(storage)
        self.functions = Functions(storage)
        self.limits = Limits(storage)
        self.fair = Fair(storage)
        self.cron = Cron(storage)
        self.logs = Logs(storage)
        self.metrics = Metrics(storage)
        self.artifacts = Artifacts(storage)
        self.blobs = Blobs(storage)
        self.tallies = Tallies(storage)
        self.figures = FigureReader(storage, self.queues, self.workers, self.tallies)

    @classmethod
    async def connect(cls, settings: Settings, *, start_stopped: bool = True) -> Self:
        """Connect to ``settings.url``, or to this user's embedded server (started when it does not run).

        One that was stopped on purpose is started by those only whom somebody has just started: not with
        ``start_stopped=False``, nor by the processes of an attempt.

        Raises StorageUnavailable, StorageDenied, StorageTooOld, SchemaMismatch, ConfigurationError.
        """
        url = settings.url.get_secret_value()
        revive = None
        if settings.embedded:
            from clearq.storage import embedded

            url = (await embedded.ensure(settings, start_stopped=start_stopped and not settings.attempt)).url
            revive = partial(embedded.revive, settings)
        return cls(await Storage.connect(settings, url, revive))

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self.storage.close()

    async def now(self) -> float:
        """Seconds since the epoch by the server's clock."""
        return await server_time(self.storage)

    def duties(self) -> list[Duty]:
        """What every long-lived process does for all: find the dead, wake the due, tidy up, keep history."""
        historian = Historian(self.storage, self.queues, self.workers)
        return [
            Duty("reaper", REAPER_INTERVAL, Reaper(self.storage).tick),
            Duty("timer", 0.0, Timer(self.storage).tick),
            Duty("sweeper", SWEEP_INTERVAL, Sweeper(self.storage, self.blobs, self.tasks).tick),
            Duty("history", SAMPLE_INTERVAL, historian.tick),
        ]
