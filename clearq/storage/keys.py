"""Every Redis key of clearq, in one place: its name, its type and what it holds.

The table is the source of the redis-cli page (``clearq help keys``); a test reads a live system and fails on any
key that it does not know. A part that users name comes last in a key, so that no two keys meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

#: Number of the data's layout; a breaking change raises it.
SCHEMA = "1"


@dataclass(frozen=True)
class KeyPattern:
    """One row of the table: ``pattern`` after the ``{namespace}:`` tag."""

    pattern: str
    type: str
    holds: str


PATTERNS = (
    KeyPattern("meta", "hash", "schema number, time of creation, used queue slugs, the timer's last time"),
    KeyPattern("queues", "hash", "queue name to queue id"),
    KeyPattern("queue:<queue>", "hash", "name, tags, pause (who, why, when), counters, revision"),
    KeyPattern("q:<queue>", "zset", "waiting scripts and containers by order score"),
    KeyPattern("fn:<queue>", "zset", "waiting functions by order score"),
    KeyPattern("fn.<app>:<queue>", "zset", "waiting functions of a named app by order score"),
    KeyPattern("delayed", "zset", "queued tasks that are not due yet, by due time (ms)"),
    KeyPattern("t:<task>", "hash", "the task: description and state"),
    KeyPattern("changed", "zset", "script tasks by their last change (ms)"),
    KeyPattern("lost", "zset", "attempts whose holder is silent, by the time (ms) they are given up"),
    KeyPattern("dead", "zset", "tasks set aside: out of retries or lost too often, by time (ms)"),
    KeyPattern("kept", "zset", "ended calls of functions that agents ran, by the time (ms) they are deleted"),
    KeyPattern("unique:<key>", "string", "id of the task that holds an idempotency key; expires"),
    KeyPattern("after:<task>", "set", "tasks that wait for this one to end"),
    KeyPattern("waits:<queue>", "set", "functions that wait for the end of others before they come into this queue"),
    KeyPattern("permits:<queue>", "hash", "limit key to the number of its permits that are taken"),
    KeyPattern("limit.held:<queue>:<key>", "zset", "tasks that wait for a permit of a full key, by order score"),
    KeyPattern("limit.lane:<queue>:<key>", "zset", "tasks with that limit key that stand in a lane, by order score"),
    KeyPattern("fair:<queue>", "hash", "of a fair queue: waiting tasks and last place by key, virtual times, weights"),
    KeyPattern("timers", "zset", "permits of rates, by the time (ms) they come back"),
    KeyPattern("waiters:<task>", "set", "clients that wait for the task's end; expires"),
    KeyPattern("workers", "zset", "workers by last heartbeat (ms)"),
    KeyPattern(
        "worker:<worker>", "hash", "label, host, lanes, GPUs, metrics, counts of what was given to it; kept a day"
    ),
    KeyPattern("declared:<digest>", "string", "names of the functions that an app declares (JSON); expires"),
    KeyPattern("labels", "hash", "worker label to the id of the living worker that carries it"),
    KeyPattern("beats", "hash", "heartbeat counter of every lease holder"),
    KeyPattern("own:<holder>", "hash", "task id to fence, order score and stop mark of each attempt it answers for"),
    KeyPattern("idle:<lane>", "zset", "workers that found the lane empty"),
    KeyPattern("bell:<process>", "list", "wakes one process: `1`, or a small result it waits for; 8 entries, 60 s"),
    KeyPattern("given:<worker>", "list", "functions given to a worker that waited, until it has read of them"),
    KeyPattern("gpus:<host>", "hash", "GPU UUID to the task and fence that hold it, or that it is draining after"),
    KeyPattern("log:<task>", "stream", "console output: at, stream, text; capped tail"),
    KeyPattern("scalars:<task>", "hash", "metric to: last min max iteration count"),
    KeyPattern("scalar:<task>:<metric>", "stream", "values of a metric: iteration i, value v, time at; capped"),
    KeyPattern("artifacts:<task>", "hash", "artifact name to its entry (JSON)"),
    KeyPattern(
        "blobs", "zset", "large payloads of tasks, wherever they lie, by the next look at whether they are used"
    ),
    KeyPattern("blobs.dead", "zset", "those whose file is being deleted, by the time (ms) it is tried again"),
    KeyPattern("chunks:<task>", "hash", "names and sizes of the blobs of a task that lie here"),
    KeyPattern("chunk:<task>:<blob>", "hash", "such a blob: number of the chunk to its bytes"),
    KeyPattern("series:queue:<queue>", "stream", "history of a queue: waiting, oldest_wait, running, workers; capped"),
    KeyPattern("series:worker:<label>", "stream", "history of a worker: busy, slots, cpu, memory, gpu; capped"),
    KeyPattern("tally", "hash", "durations, lags and losses of functions, summed up over all workers; bounded"),
    KeyPattern("events", "stream", "what happened to what; capped"),
    KeyPattern("events.fn", "stream", "what happened to functions: one entry a batch, counts by function; capped"),
    KeyPattern("cron", "zset", "cron rules by their next slot (ms)"),
    KeyPattern("cron:<name>", "hash", "a cron rule: what it enqueues and when, and the last slot that has run"),
    KeyPattern("todo", "set", "unfinished sliced work, carried on by every claim, beat and timer"),
    KeyPattern(
        "done:<request>", "string", "what a call has made or deleted, for its repeat after a lost reply; expires"
    ),
    KeyPattern("duty:<name>", "string", "process that keeps a periodic duty; expires"),
)


class Keys:
    """Key names of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.prefix = f"{{{namespace}}}:"

    def __call__(self, *parts: str) -> str:
        """``keys("t", task_id)`` is ``{namespace}:t:<task_id>``."""
        return self.prefix + ":".join(parts)

    @property
    def meta(self) -> str:
        """The key that every script is given; from it a script derives the rest."""
        return self("meta")

    def scalar(self, task_id: str, metric: str) -> str:
        """The stream of one metric's values."""
        return self("scalar", task_id, metric)


def metric_key(title: str, series: str) -> str:
    """``title/series`` in one word: readable, and no two pairs meet."""
    return f"{quote(title, safe=' ()[]@+=.,:;')}/{quote(series, safe=' ()[]@+=.,:;')}".replace(" ", "%20")


def split_metric_key(key: str) -> tuple[str, str]:
    """The reverse of :func:`metric_key`."""
    title, _, series = key.partition("/")
    return unquote(title), unquote(series)
