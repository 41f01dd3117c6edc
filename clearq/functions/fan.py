"""Many calls with a bound on how many are enqueued and not done yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from clearq.errors import UsageError
from clearq.functions.client import Home, client_of
from clearq.functions.handle import Handle, watch

if TYPE_CHECKING:
    from clearq.functions.declare import Request

R = TypeVar("R")


async def enqueue_many(home: Home, requests: Iterable[Request[R]]) -> list[Handle[R]]:
    """Enqueue in order, one round trip for each thousand, each all or nothing; one for each that needs GPUs.

    Raises what ``enqueue`` raises; what went before the thousand that failed is enqueued.
    """
    client = await client_of(home)
    listed = list(requests)
    large = [request.call for request in listed if len(request.call.args) > client.inline]
    if large:
        aside = {call.id: call for call in await client.payloads.aside(large)}
        listed = [replace(request, call=aside.get(request.call.id, request.call)) for request in listed]
    words: list[str] = []
    for gpus, run in groupby(listed, key=_needs_gpus):
        if gpus:
            words += [await request.task.submit(client, request.call) for request in run]
        else:
            words += await client.functions.enqueue_many([request.call for request in run])
    if large:
        unused = [request.call.args for request, word in zip(listed, words, strict=True) if word != "queued"]
        await client.payloads.unused(*unused)
    return [request.handle(word) for request, word in zip(listed, words, strict=True)]


def _needs_gpus(request: Request[Any]) -> bool:
    return request.task.given.gpus > 0


async def fan_out(home: Home, requests: Iterable[Request[R]], concurrent: int = 1000) -> AsyncIterator[Handle[R]]:
    """Enqueue as others end, at most ``concurrent`` at a time; handles in the order in which they end.

    ``requests`` may be endless: it is read as room comes up. Raises what ``enqueue`` raises.
    """
    source, done = _checked(requests, concurrent), asyncio.Queue[Handle[R]]()
    watched: dict[Handle[R], asyncio.Future[Any]] = {}
    more = True
    try:
        while True:
            # Half a load at a time: refilling one by one would pay a round trip for each.
            if more and len(watched) <= concurrent // 2:
                batch = list(islice(source, concurrent - len(watched)))
                more = bool(batch)
                for handle in await enqueue_many(home, batch):
                    if handle not in watched:
                        watched[handle] = await watch(handle, done)
            if not watched:
                return
            handle = await done.get()
            watched.pop(handle, None)
            yield handle
    finally:
        for future in watched.values():
            future.cancel()


async def fan_out_ordered(home: Home, requests: Iterable[Request[R]], concurrent: int = 1000) -> AsyncIterator[R]:
    """The results in the requests' order, at most ``concurrent`` enqueued and not yet yielded."""
    source = _checked(requests, concurrent)
    open: deque[Handle[R]] = deque()
    more = True
    while True:
        if more and len(open) <= concurrent // 2:
            batch = list(islice(source, concurrent - len(open)))
            more = bool(batch)
            open.extend(await enqueue_many(home, batch))
        if not open:
            return
        yield await open.popleft().result()


def _checked(requests: Iterable[Request[R]], concurrent: int) -> Iterator[Request[R]]:
    if concurrent < 1:
        raise UsageError("concurrent must be 1 or more.")
    return iter(requests)
