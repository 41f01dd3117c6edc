"""Tracebacks of functions begin with the first line of user code; none of its frames is left out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from clearq import Clearq
from clearq.engine.calls import Given
from clearq.errors import FunctionFailed
from clearq.functions.context import Context
from clearq.functions.options import Options
from clearq.functions.signals import Fail
from clearq.testing import simulate
from clearq.worker.load import load_app
from clearq.worker.outcomes import ended_by
from clearq.worker.traces import Elsewhere, traceback_of


def frames(text: str) -> list[str]:
    """The names of the functions, top to bottom."""
    return re.findall(r'^  File ".*", line \d+, in (\S+)$', text, re.MULTILINE)


def deeper(number: int) -> None:
    raise ValueError("always") from KeyError(number)


async def traceback_in(app: Clearq, function: Any, *args: object) -> str:
    async with simulate(app) as sim:
        handle = await function.enqueue(*args)
        await sim.run_all()
        with pytest.raises(FunctionFailed) as caught:
            await handle.result()
    return caught.value.traceback


@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_it_begins_with_the_function(where: Literal["loop", "thread"], kind: str) -> None:
    app = Clearq("redis://nowhere.invalid:1")
    if kind == "async":

        @app.task(where=where, retries=0)
        async def broken(number: int) -> None:
            deeper(number)
    else:

        @app.task(where="thread", retries=0)
        def broken(number: int) -> None:
            deeper(number)

    text = await traceback_in(app, broken, 1)
    assert frames(text) == ["broken", "deeper"], text
    assert text.startswith("KeyError: 1\n")
    assert text.endswith("ValueError: always\n")


async def test_it_begins_with_the_middleware_and_keeps_what_lies_between() -> None:
    app = Clearq("redis://nowhere.invalid:1")

    @app.middleware
    async def timed(call: Callable[[], Awaitable[Any]], _context: Context) -> Any:
        return await call()

    @app.task(retries=0)
    async def broken() -> None:
        deeper(1)

    found = frames(await traceback_in(app, broken))
    assert (found[0], found[-2:]) == ("timed", ["broken", "deeper"])


def test_an_error_of_clearq_alone_is_left_whole() -> None:
    try:
        load_app("no_such_module_anywhere:app")
    except Exception as error:
        bare = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        assert "load_app" in frames(traceback_of(bare))
    else:
        pytest.fail("it was loaded")


def test_an_error_of_another_process_is_told_as_it_was_told_there() -> None:
    error = ValueError("no")
    error.__cause__ = Elsewhere("Traceback there\nValueError: no\n")
    assert traceback_of(error) == "Traceback there\nValueError: no\n"


def test_a_failure_for_good_in_another_process_keeps_its_reason() -> None:
    error = Fail("the key is wrong")
    error.__cause__ = Elsewhere("Traceback there\n")
    assert ended_by(error, Given("id", "1.x", "f", b"[]", 0.0, 0, 0, b""), Options()).reason == "the key is wrong"
