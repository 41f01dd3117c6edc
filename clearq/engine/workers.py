"""Workers: who is there, and the heartbeats of everybody who holds a lease."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence

import orjson

from clearq.clock import seconds
from clearq.engine.ids import nonce
from clearq.engine.series import WorkerSample, read_series
from clearq.errors import NameTaken, NotFoundError
from clearq.models.attempt import Beat
from clearq.models.worker import Lane, Worker, WorkerInfo
from clearq.storage import Storage

_LANES = {"script": "q", "function": "fn"}


def lane_name(lane: Lane) -> str:
    """``q:<queue>``, ``fn:<queue>`` or ``fn.<app>:<queue>``."""
    kind = _LANES.get(lane.kind, lane.kind.replace("function.", "fn."))
    return f"{kind}:{lane.queue}"


class Workers:
    """Register, beat, list. Queue ids, not names, stand in lanes."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def register(self, info: WorkerInfo) -> str:
        """Begin as a worker; returns its id (label and a nonce of this start). Raises NameTaken."""
        worker = f"{info.label}.{nonce()}"
        fields = {
            "kind": info.kind,
            "host": info.host,
            "host_id": info.host_id,
            "boot_id": info.boot_id,
            "pid": str(info.pid),
            "version": info.version,
            "slots": str(info.slots),
            "gpus": orjson.dumps(list(info.gpus)).decode(),
            "tags": orjson.dumps(list(info.tags)).decode(),
            "executors": " ".join(info.executors),
            "declares": info.declares,
        }
        flat = [text for pair in fields.items() for text in pair]
        lanes = " ".join(lane_name(lane) for lane in info.lanes)
        answer = await self._storage.script("register", "", worker, info.label, lanes, *flat)
        if answer[0] == "taken":
            raise NameTaken(
                f"A live worker is called {info.label!r} already ({answer[1]}). Choose another name, stop that one, "
                "or wait until its heartbeat has aged out."
            )
        return worker

    async def listen(self, worker_id: str, lanes: Sequence[Lane]) -> None:
        """Say that a registered worker takes from other lanes from now on. One that is dead stays as it is."""
        keys, names = self._storage.keys, [lane_name(lane) for lane in lanes]
        living, card = await self._storage.commands(
            [("HEXISTS", keys("beats"), worker_id), ("HGET", keys("worker", worker_id), "lanes")]
        )
        if living:
            left = [("ZREM", keys("idle", lane), worker_id) for lane in (card or "").split() if lane not in names]
            await self._storage.commands([("HSET", keys("worker", worker_id), "lanes", " ".join(names)), *left])

    async def unregister(self, worker_id: str) -> bool:
        """End as a worker; False while it still answers for attempts."""
        answer = await self._storage.script("unregister", "", worker_id)
        return bool(answer[0] == "gone")

    async def bury(self, holder_id: str, proof: str) -> int:
        """Declare a holder dead at once, with proof (its process is gone). Returns attempts it held."""
        answer = await self._storage.script("reclaim", "", holder_id, "", proof)
        return int(answer[1]) if answer[0] == "reclaimed" else 0

    async def beat(
        self,
        holder_id: str,
        fences: Mapping[str, str],
        *,
        metrics: Mapping[str, float] | None = None,
        state: str = "",
        patience: float | None = None,
    ) -> Beat:
        """One heartbeat for all attempts of a holder (task id to fence)."""
        flat = [text for pair in fences.items() for text in pair]
        numbers = "" if metrics is None else orjson.dumps(dict(metrics)).decode()
        answer = await self._storage.script("beat", "", holder_id, numbers, state, *flat, patience=patience)
        if answer[0] == "gone":
            return Beat(gone=True)
        _, work, given, stops, *ids = answer
        count = int(stops)
        return Beat(stop=tuple(ids[:count]), lost=tuple(ids[count:]), work=work == "1", given=int(given))

    async def wait_bell(self, holder_id: str, timeout: float) -> bytes:
        """Block until this process is rung, at most ``timeout`` seconds; what the bell says, empty when it was silent.

        Raises StorageUnavailable.
        """
        rung = await self._storage.bell(self._storage.keys("bell", holder_id), timeout=timeout)
        return rung[1] if rung else b""

    async def list(self, *, all: bool = False) -> builtins.list[Worker]:
        """Workers whose heartbeat is younger than ``dead_after``; ``all``: also those of the last day."""
        keys = self._storage.keys
        seen = await self._storage.command("ZRANGE", keys("workers"), 0, -1)
        workers = await self._read(list(seen))
        living = [worker for worker in workers if worker.alive]
        if not all:
            return sorted(living, key=lambda worker: worker.info.label)
        gone = []
        cursor = "0"
        while True:
            cursor, found = await self._storage.command(
                "SCAN", cursor, "MATCH", _literal(keys("worker", "")) + "*", "COUNT", 500
            )
            gone += [key.removeprefix(keys("worker", "")) for key in found]
            if str(cursor) == "0":
                break
        return sorted(await self._read(gone), key=lambda worker: (not worker.alive, worker.info.label))

    async def get(self, label_or_id: str) -> Worker:
        """One worker, by label or id. Raises NotFoundError."""
        id = await self._storage.command("HGET", self._storage.keys("labels"), label_or_id) or label_or_id
        found = await self._read([id])
        if not found:
            raise NotFoundError(f"There is no worker {label_or_id!r}. `clearq worker ls` lists those there are.")
        return found[0]

    async def history(self, label: str, *, since: float = 3600.0) -> builtins.list[WorkerSample]:
        """Samples of the last ``since`` seconds, oldest first."""
        key = self._storage.keys("series", "worker", label)
        return await read_series(self._storage, key, WorkerSample, since)

    async def _read(self, ids: builtins.list[str]) -> builtins.list[Worker]:
        keys = self._storage.keys
        calls: builtins.list[tuple[str | int | float | bytes, ...]] = [("TIME",)]
        for id in ids:
            calls += [
                ("HGETALL", keys("worker", id)),
                ("ZSCORE", keys("workers"), id),
                ("HKEYS", keys("own", id)),
            ]
        (whole, micro), *rows = await self._storage.commands(calls)
        now = int(whole) + int(micro) / 1_000_000
        running = await self._running()
        workers = []
        for i, id in enumerate(ids):
            fields, score, own = rows[3 * i : 3 * i + 3]
            if fields:
                seen = None if score is None else seconds(str(int(float(score))))
                alive = seen is not None and now - seen < self._storage.settings.dead_after
                tasks = tuple(sorted({*own, *running.get(fields.get("label", ""), ())})) if alive else tuple(own)
                workers.append(_decode(id, fields, seen, alive, tasks))
        return workers

    async def _running(self) -> dict[str, builtins.list[str]]:
        """Worker label to the attempts that supervisors run for it."""
        keys = self._storage.keys
        holders = await self._storage.command("HKEYS", keys("beats"))
        rows = await self._storage.commands([("HKEYS", keys("own", holder)) for holder in holders])
        ids = [task_id for row in rows for task_id in row]
        labels = await self._storage.commands([("HGET", keys("t", task_id), "worker") for task_id in ids])
        running: dict[str, builtins.list[str]] = {}
        for task_id, label in zip(ids, labels, strict=True):
            running.setdefault(label or "", []).append(task_id)
        return running


def _literal(text: str) -> str:
    """Text for a SCAN pattern that stands for itself."""
    return "".join(f"\\{character}" if character in "*?[]\\^" else character for character in text)


def _decode(id: str, fields: dict[str, str], seen: float | None, alive: bool, tasks: tuple[str, ...]) -> Worker:
    lanes = []
    for name in fields.get("lanes", "").split():
        kind, _, queue = name.partition(":")
        word, dot, app = kind.partition(".")
        lanes.append(Lane(queue=queue, kind={"q": "script", "fn": "function"}.get(word, word) + dot + app))
    return Worker(
        id=id,
        info=WorkerInfo(
            label=fields.get("label", id),
            kind=fields.get("kind", "agent"),
            host=fields.get("host", ""),
            host_id=fields.get("host_id", ""),
            boot_id=fields.get("boot_id", ""),
            pid=int(fields.get("pid", "0")),
            version=fields.get("version", ""),
            lanes=tuple(lanes),
            slots=int(fields.get("slots", "1")),
            gpus=tuple(orjson.loads(fields.get("gpus", "[]"))),
            tags=tuple(orjson.loads(fields.get("tags", "[]"))),
            executors=tuple(fields.get("executors", "").split()),
            declares=fields.get("declares", ""),
        ),
        started=seconds(fields["started"]) if "started" in fields else None,
        last_seen=seen,
        alive=alive,
        tasks=tasks,
        metrics=orjson.loads(fields.get("metrics", "{}")),
        state=fields.get("state", ""),
    )
