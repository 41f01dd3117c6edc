"""Code that a type checker must refuse, line by line: ``# error`` marks the lines. Run by test_typing."""

from __future__ import annotations

from clearq import Clearq, gather, limit

app = Clearq()


@app.task
async def resize(path: str, width: int = 100) -> int:
    return len(path) * width


@app.task(queue="mail", retries=3)
def send(address: str) -> bytes:
    return address.encode()


async def right() -> None:
    handle = await resize.enqueue("a.png", width=3)
    number: int = await handle.result(timeout=1)
    number = await resize("a.png")
    data: bytes = send("a@b.c")
    data = await (await send.options(priority=3).enqueue("a@b.c")).result()
    handles = await app.enqueue_many(resize.call(path) for path in ["a"])
    number = await handles[0].result()
    await resize.enqueue("a", handle.as_argument())
    number = await app.handle("0" * 32, resize).result()
    await gather(handle)
    send.enqueue_sync("a@b.c").result_sync()
    resize.options(limits=[limit("api", rate="100/m"), limit("path:{path}", concurrent=2)])
    print(number, data)


async def wrong() -> None:
    await resize.enqueue(1)  # error
    await resize.enqueue()  # error
    await resize.enqueue("a", height=3)  # error
    await resize.enqueue("a", "b")  # error
    await send.enqueue(b"a")  # error
    resize.call(3)  # error
    send.enqueue_sync(1)  # error
    resize.options(priorty=1)  # error
    resize.options(retries="3")  # error
    resize.options(limits="api")  # error
    limit("api", concurent=1)  # error
    limit("api", rate=100)  # error
    app.task(queu="mail")  # error
    text: str = await (await resize.enqueue("a")).result()  # error
    handle = await send.enqueue("a")
    await resize.enqueue(handle.as_argument())  # error
    number: int = send("a")  # error
    print(text, number)
