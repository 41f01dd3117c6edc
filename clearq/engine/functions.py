"""Functions as tasks: enqueued in bulk, taken and reported in turns, awaited together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from clearq.engine.answers import missing_task, not_fair
from clearq.engine.calls import Call, End, Gift, Held, SetAside, State, Turn, packed, packed_plain, unpacked, unwrapped
from clearq.engine.ids import nonce
from clearq.errors import UsageError
from clearq.models.queue import slug
from clearq.storage import Storage

#: Tasks a script takes at once: about 7 ms of the server's time.
BULK = 1000

#: The same for tasks with limits by key.
BULK_LIMITED = 100

#: How often the short script is tried in vain for a queue: once is usual, for a queue that is new.
SHORT_TRIES = 2

#: Words that stand for the whole call, which then has done nothing.
_REFUSED = {b"no_parent": missing_task, b"not_fair": not_fair}


class Functions:
    """The engine's verbs for functions; the hot path of the whole product."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._pending: list[tuple[Call, asyncio.Future[str]]] = []
        self._numbers: dict[str, int] = {}
        self._long: Counter[str] = Counter()  #: queues that the short script did not know how to deal with
        self._sending: set[asyncio.Task[None]] = set()

    async def warm(self) -> None:
        """Make ready what the first call, and the wait for its result, need. Raises StorageUnavailable."""
        await self._storage.warm("enqueue_one", "wait_many")

    def enqueue(self, call: Call) -> asyncio.Future[str]:
        """Enqueue one. It leaves at once; while an answer is awaited, calls of the same loop turn leave as one script.

        Answers ``queued``, ``duplicate <id>`` when another task holds its unique key, or ``exists``.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        self._pending.append((call, future))
        if len(self._pending) == 1:
            if self._storage.hot_idle:
                self._flush()
            else:
                loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if not self._send_at_once(pending):
            self._send_later(pending)

    def _send_at_once(self, pending: list[tuple[Call, asyncio.Future[str]]]) -> bool:
        """The short way, without a task of its own: one script on a connection that stands."""
        call = pending[0][0]
        if len(pending) == 1 and self._long[call.queue] < SHORT_TRIES and (plain := packed_plain(call)):
            return self._storage.hot_now(partial(self._answered, pending), "enqueue_one", *plain)
        if len(pending) > BULK_LIMITED and _weight([call for call, _ in pending]) > BULK:
            return False
        flat: list[bytes | str | int] = [""]
        try:
            for call, _ in pending:
                flat += packed(call)
        except UsageError:
            return False  # the long way finds out whose it is
        return self._storage.hot_now(partial(self._answered, pending), "enqueue_many", *flat)

    def _answered(self, pending: list[tuple[Call, asyncio.Future[str]]], words: Any) -> None:
        """Whatever went wrong, the long way is safe: the same tasks again change nothing."""
        if isinstance(words, Exception) or words[0] in _REFUSED:
            self._send_later(pending)
            return
        if words[0] == b"long":
            self._long[pending[0][0].queue] += 1
            self._send_later(pending)
            return
        for (_, future), word in zip(pending, words, strict=True):
            if not future.done():
                future.set_result("queued" if word == b"queued" else word.decode())

    def _send_later(self, pending: list[tuple[Call, asyncio.Future[str]]]) -> None:
        task = asyncio.ensure_future(self._send(pending))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, pending: list[tuple[Call, asyncio.Future[str]]]) -> None:
        try:
            words = await self.enqueue_many([call for call, _ in pending])
        except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to those who wait
            if len(pending) > 1:
                # One bad call must not fail its neighbours.
                await asyncio.gather(*(self._send([entry]) for entry in pending))
                return
            for _, future in pending:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), word in zip(pending, words, strict=True):
            if not future.done():
                future.set_result(word)

    async def enqueue_many(self, calls: Sequence[Call]) -> list[str]:
        """Enqueue in order, one round trip per thousand. Each thousand is all or nothing.

        Raises TaskNotFound when a task to run after does not exist, UsageError when a queue takes no fair keys.
        """
        words: list[str] = []
        for part in _slices(calls):
            flat: list[bytes | str | int] = [""]
            for call in part:
                flat += packed(call)
            answer = await self._storage.hot("enqueue_many", *flat)
            if answer and answer[0] in _REFUSED:
                raise _REFUSED[answer[0]](answer[1].decode())
            words += [word.decode() for word in answer]
        return words

    async def submit(self, call: Call, fields: Mapping[str, str]) -> str:
        """Enqueue one as a task for agents: ``fields`` are its description, and more as in ``Call.extra``.

        Answers as :meth:`enqueue` does. Raises TaskNotFound when a task to run after does not exist.
        """
        answer = await self._storage.script(
            "enqueue",
            *("", call.id, call.queue, call.priority),
            "" if call.delay is None else max(0, int(call.delay * 1000)),
            "" if call.due is None else int(call.due * 1000),
            *(nonce(), "nc", slug(call.queue), fields.get("unique", ""), fields.get("unique.ms", "")),
            *(text for pair in fields.items() for text in pair),
        )
        match answer[0]:
            case "no_parent":
                raise missing_task(answer[1])
            case "not_fair":
                raise not_fair(answer[1])
            case "duplicate":
                return f"duplicate {answer[1]}"
        return str(answer[0])

    async def turn(
        self,
        holder: str,
        queues: Sequence[tuple[str, int]],
        count: int,
        ends: Sequence[End] = (),
        kinds: str = "fn",
        *,
        room: int = 0,
        taken: int = 0,
    ) -> Turn:
        """Report ends and take up to ``count`` functions of ``queues`` (id and turn each), in one step.

        When less than that was found, up to ``room`` may be given to this holder as they are enqueued, which
        :meth:`listen` answers; ``taken`` is the number of the last one that it answered.
        Call it again only when it has answered: its ends and its claim are then settled, also after a cut line.
        """
        number = self._numbers[holder] = self._numbers.get(holder, 0) + 1
        flat: list[bytes | str | int] = ["", holder, nonce(), count, number, kinds, room, taken, len(queues)]
        for queue, turn in queues:
            flat += (queue, turn)
        for end in ends:
            flat += end
        answer = await self._storage.hot("turn", *flat)
        word, stale, claims = answer[0], answer[1], answer[2] if len(answer) > 2 else []
        origins = answer[3] if len(answer) > 3 else []
        return Turn(word == b"dead", unpacked(claims, origins), [id.decode() for id in stale], word == b"given")

    async def listen(self, holder: str, timeout: float) -> Gift | bool:
        """Wait, at most ``timeout`` seconds, for a function that is given to this holder; True: it was rung, to look.

        Raises StorageUnavailable; a word that was on its way is lost then: ask for :meth:`held`.
        """
        keys = self._storage.keys
        gifts = keys("given", holder)
        heard = await self._storage.bell(gifts, keys("bell", holder), timeout=timeout)
        if heard is None:
            return False
        return unwrapped(heard[1]) if heard[0] == gifts else True

    async def held(self, holder: str) -> Held:
        """What this holder answers for. What :meth:`listen` would still tell of it is told no more."""
        count, flat = await self._storage.script("strays", holder)
        return Held(int(count), {id: entry.split(" ", 1)[0] for id, entry in zip(flat[::2], flat[1::2], strict=True)})

    async def withdraw(self, holder: str, taken: int = 0, upto: int = 0) -> tuple[int, int]:
        """Give this holder nothing more; take back what was given after ``taken``, up to the number ``upto``.

        Returns the number of the last one given, and how many were taken back.
        """
        last, back = await self._storage.script("withdraw", "", holder, taken, upto)
        return int(last), int(back)

    async def set_aside(self, *, limit: int = 100) -> list[SetAside]:
        """Functions that are out of retries or were lost too often, the latest first. Kept for a week."""
        keys = self._storage.keys
        flat = await self._storage.command("ZRANGE", keys("dead"), 0, limit - 1, "REV", "WITHSCORES")
        ids = flat[::2]
        names = ("fn", "queue", "status_reason", "function.name")  # the last: of a function that agents run
        rows = await self._storage.commands([("HMGET", keys("t", id), *names) for id in ids])
        return [
            SetAside(id, fn or called, queue or "", reason or "", int(float(at)) / 1000)
            for id, at, (fn, queue, reason, called) in zip(ids, flat[1::2], rows, strict=True)
            if fn or called
        ]

    async def states(self, ids: Sequence[str], client: str = "") -> list[State]:
        """Where functions stand; with ``client`` (a bell's name) that one is rung when an unfinished one ends."""
        answer = await self._storage.hot("wait_many", client, *ids)
        return [State(row[0].decode(), row[1], row[2], row[3].decode("utf-8", "replace")) for row in answer]


def _weight(calls: Iterable[Call]) -> int:
    """The server's work, in calls without limits."""
    return sum(BULK // BULK_LIMITED if "limits" in call.extra else 1 for call in calls)


def _slices(calls: Sequence[Call]) -> Iterator[list[Call]]:
    """Parts of bounded work for the server."""
    part: list[Call] = []
    weight = 0
    for call in calls:
        own = _weight((call,))
        weight += own
        if part and weight > BULK:
            yield part
            part, weight = [], own
        part.append(call)
    if part:
        yield part
