"""What a function says of its progress, and where it is seen."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from clearq import Clearq
from clearq.settings import Settings
from tests.support.agents import until
from tests.support.functions import Workers

APP = """

@app.task(name="train")
async def train() -> None:
    current().progress(0.1, "epoch 1")
    current().progress(0.4, "epoch 3\\n" + "of many " * 100)
    await gate("on")
    current().progress(0.9)
    await gate("go")

@app.task(name="train_there", where="process")
def train_there() -> None:
    current().progress(0.4, "epoch 3")
    while not os.path.exists(FOLDER + "/go"):
        time.sleep(0.01)
"""


@pytest.fixture
async def app(settings: Settings, workers: Workers) -> AsyncIterator[Clearq]:
    file = workers.folder / "jobs.py"
    file.write_text(file.read_text() + APP)
    async with Clearq(settings=settings) as app:
        yield app


async def test_words_go_with_the_fraction(app: Clearq, workers: Workers) -> None:
    await workers.start()
    ids = [await workers.enqueue("train"), await workers.enqueue("train_there")]
    for id in ids:
        handle = app.handle(id)

        async def said(handle: object = handle) -> bool:
            progress = await app.handle(str(handle)).progress()
            return progress == 0.4 and progress.text.startswith("epoch 3")

        await until(said, "the words arrive")
    progress = await app.handle(ids[0]).progress()
    assert progress.text.startswith("epoch 3 of many of many ")
    assert len(progress.text) == 200
    workers.go("on")

    async def nothing_said() -> bool:
        return (await app.handle(ids[0]).progress()) == 0.9

    await until(nothing_said, "the next one arrives")
    assert (await app.handle(ids[0]).progress()).text == "", "words go with their fraction"
    workers.go()
    await workers.ended(*ids)
